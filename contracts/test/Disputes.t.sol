// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {IDisputes} from "../src/interfaces/IDisputes.sol";
import {IJobMarket} from "../src/interfaces/IJobMarket.sol";
import {Disputes} from "../src/dispute/Disputes.sol";
import {LinearGame} from "../src/dispute/LinearGame.sol";
import {ReceiptCourt} from "../src/dispute/ReceiptCourt.sol";
import {LineRules} from "../src/dispute/LineRules.sol";
import {Leaves} from "../src/dispute/Leaves.sol";
import {Receipts} from "../src/dispute/Receipts.sol";
import {DisputeWorld} from "./DisputeWorld.sol";
import {Tree} from "./Tree.sol";

/// @title The game about a linear result: liars lose it, the honest never do
contract DisputesTest is DisputeWorld {
    /// @dev A dispute as a player follows it.
    struct Game {
        uint256 id;
        IDisputes.Dispute state;
        LinearGame.Claim claim;
        uint64[] shown;
    }

    uint64[] internal said; // the output file that the accused revealed
    uint256 internal dice;

    function setUp() public {
        _deploy();
        _fund(stranger);
    }

    function _spelled() internal view override returns (string memory) {
        return Strings.toChecksumHexString(address(jobs));
    }

    function _roll(uint256 sides) internal returns (uint256) {
        dice = uint256(keccak256(abi.encode(dice)));
        return dice % sides;
    }

    /// @dev A job of one executor that revealed `said`.
    function _accused(uint64[] memory output) internal returns (address executor) {
        said = output;
        executor = _executor(job, 0);
        bytes32 digest = _digest(output);
        _commit(job, executor, digest);
        _reveal(job, executor, digest);
    }

    function _open(uint64 value) internal returns (Game memory game) {
        vm.prank(stranger);
        game.id = disputes.open(job, 0, value, type(uint256).max);
        game.state = IDisputes.Dispute({
            job: job,
            index: 0,
            phase: IDisputes.Phase.ANSWER,
            deadline: uint40(block.timestamp + MOVE),
            executor: _executor(job, 0),
            challenger: stranger,
            bond: DISPUTE_BOND,
            receipt: jobs.executionsOf(job)[0].receipt,
            order: jobs.orderDigest(job),
            value: value,
            claim: 0
        });
        vm.assertEq(disputes.digestOf(game.id), keccak256(abi.encode(game.state)));
    }

    function _claimed(Game memory game, uint64[] memory totals) internal view {
        game.shown = totals;
        game.claim.shown = keccak256(_packed(totals));
        game.state.claim = keccak256(abi.encode(game.claim));
        game.state.phase = game.claim.high - game.claim.low == 1 ? IDisputes.Phase.JUDGE : IDisputes.Phase.NARROW;
        game.state.deadline = uint40(block.timestamp + MOVE);
    }

    function _word(uint64 value) internal view returns (Leaves.Leaf memory) {
        return Tree.leafOf(Tree.file(said), _wordOf(value));
    }

    function _answer(Game memory game, uint64[] memory totals) internal {
        Receipts.Receipt memory receipt = _receipt(said);
        Leaves.Leaf memory word = _word(game.state.value);
        vm.prank(game.state.executor);
        disputes.answer(game.id, game.state, program, receipt, word, _packed(totals));
        _claimed(game, totals);
    }

    /// @dev What the answer is about.
    function _about(Game memory game) internal view {
        uint64 value = game.state.value;
        (uint64 low, uint64 high) = _rowsOf(value / 2);
        game.claim = LinearGame.Claim({
            program: sha256(abi.encode(program)),
            dataRoot: dataRoot,
            output: value % 2,
            low: low,
            high: high,
            atLow: 0,
            atHigh: said[_wordOf(value)],
            shown: 0
        });
    }

    function _show(Game memory game, uint64[] memory totals) internal {
        vm.prank(game.state.executor);
        disputes.show(game.id, game.state, game.claim, _packed(totals));
        _claimed(game, totals);
    }

    function _narrow(Game memory game, uint256 stretch) internal {
        vm.prank(stranger);
        disputes.narrow(game.id, game.state, game.claim, _packed(game.shown), stretch);
        (uint64 low, uint64 high) = (_cut(game.claim, stretch), _cut(game.claim, stretch + 1));
        if (stretch > 0) game.claim.atLow = game.shown[stretch - 1];
        if (stretch < game.shown.length) game.claim.atHigh = game.shown[stretch];
        (game.claim.low, game.claim.high, game.claim.shown) = (low, high, 0);
        game.state.claim = keccak256(abi.encode(game.claim));
        game.state.phase = IDisputes.Phase.SHOW;
        game.state.deadline = uint40(block.timestamp + MOVE);
    }

    function _judge(Game memory game, uint256 term) internal {
        LinearGame.Evidence memory evidence = _evidence(game.claim, term);
        vm.prank(stranger);
        disputes.judge(game.id, game.state, game.claim, program, _packed(game.shown), term, evidence);
    }

    /// @dev True totals of a claim, from where it begins.
    function _truth(LinearGame.Claim memory claim) internal view returns (uint64[] memory totals) {
        uint256 length = claim.high - claim.low;
        if (length == 1) return _sums(claim.output, claim.low);
        totals = new uint64[]((length < 128 ? length : 128) - 1);
        uint64 total = claim.atLow;
        for (uint256 k = 0; k < totals.length; ++k) {
            unchecked {
                total += _sum(claim.output, _cut(claim, k), _cut(claim, k + 1));
            }
            totals[k] = total;
        }
    }

    /// @dev Totals of a liar: right ones up to somewhere, whatever from there on, and a last one that fits.
    function _lies(LinearGame.Claim memory claim) internal returns (uint64[] memory totals) {
        totals = _truth(claim);
        uint256 from = _roll(totals.length);
        uint256 kind = _roll(3);
        unchecked {
            for (uint256 k = from; k < totals.length; ++k) {
                if (kind == 0) totals[k] = uint64(_roll(1 << 64));
                if (kind == 1) totals[k] += uint64(1 + _roll(9));
            }
            if (claim.high - claim.low > 1) return totals;
            if (_roll(4) == 0) totals = new uint64[](1 + _roll(6));
            totals[totals.length - 1] = claim.atHigh - claim.atLow;
        }
    }

    /// @dev An honest challenger plays on from an answer.
    function _play(Game memory game) internal {
        while (game.state.phase == IDisputes.Phase.NARROW) {
            uint64[] memory right = _truth(game.claim);
            uint256 stretch = 0;
            while (stretch < right.length && right[stretch] == game.shown[stretch]) ++stretch;
            _narrow(game, stretch);
            _show(game, _lies(game.claim));
        }
        uint64[] memory sums = _sums(game.claim.output, game.claim.low);
        uint256 term = 0;
        if (game.shown.length == sums.length && game.shown[0] == sums[0]) {
            unchecked {
                do {
                    ++term;
                } while (game.shown[term] - game.shown[term - 1] == sums[term] - sums[term - 1]);
            }
        }
        _judge(game, term);
    }

    function _out() internal view returns (bool) {
        return jobs.executionsOf(job)[0].out;
    }

    function _made(uint256 throws_) internal {
        dice = throws_;
        uint256 block_ = _roll(2) == 0 ? 1 : 1 + _roll(150);
        uint64 first = uint64(_roll(149));
        _world(dice, block_, first, uint64(1 + _roll(150 - first)));
        _ordered(1, 3);
    }

    /// forge-config: default.fuzz.runs = 32
    function testFuzz_every_liar_is_convicted(uint256 throws_) public {
        _made(throws_);
        uint64[] memory output = _output();
        uint64 value = uint64(_roll(output.length - 3));
        unchecked {
            output[_wordOf(value)] += uint64(1 + _roll(1 << 60));
        }
        _accused(output);
        Game memory game = _open(value);
        _about(game);
        _answer(game, _lies(game.claim));
        _play(game);
        vm.assertTrue(_out());
        vm.assertEq(disputes.digestOf(game.id), bytes32(0));
        vm.assertEq(jobs.claimable(stranger), 2 * DISPUTE_BOND);
    }

    /// forge-config: default.fuzz.runs = 32
    function testFuzz_nobody_honest_is_convicted(uint256 throws_) public {
        _made(throws_);
        _accused(_output());
        uint64 value = uint64(_roll(said.length + 2));
        Game memory game = _open(value);
        if (value >= said.length - 3) {
            game.state.value = value;
            Receipts.Receipt memory receipt = _receipt(said);
            Leaves.Leaf memory word = _word(0);
            vm.prank(game.state.executor);
            disputes.answer(game.id, game.state, program, receipt, word, "");
        } else {
            _about(game);
            _answer(game, _truth(game.claim));
            while (game.state.phase == IDisputes.Phase.NARROW) {
                _narrow(game, _roll(game.shown.length + 1));
                _show(game, _truth(game.claim));
            }
            if (_roll(3) == 0) {
                vm.warp(game.state.deadline + 1);
                disputes.expire(game.id, game.state);
            } else {
                _judge(game, _roll(game.shown.length));
            }
        }
        vm.assertFalse(_out());
        vm.assertEq(jobs.claimable(game.state.executor), DISPUTE_BOND / 2);
        vm.assertEq(jobs.get(job).receipt, _digest(said));
    }

    function _usual() internal {
        _world(1, 1, 30, 20);
        _ordered(1, 3);
    }

    function _lie() internal returns (Game memory game) {
        uint64[] memory output = _output();
        output[_wordOf(5)] ^= 1;
        _accused(output);
        game = _open(5);
        _about(game);
    }

    function test_a_silent_executor_is_convicted() public {
        _usual();
        Game memory game = _lie();
        vm.warp(game.state.deadline);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.MoveNotLate.selector, game.id, uint256(game.state.deadline)));
        disputes.expire(game.id, game.state);
        vm.warp(game.state.deadline + 1);
        disputes.expire(game.id, game.state);
        vm.assertTrue(_out());
    }

    function test_a_silent_executor_inside_a_sum_is_convicted() public {
        _world(1, 40, 30, 60);
        _ordered(1, 3);
        uint64[] memory output = _output();
        output[_wordOf(1)] ^= 1;
        _accused(output);
        Game memory game = _open(1);
        _about(game);
        _answer(game, _lies(game.claim));
        _narrow(game, 3);
        vm.warp(game.state.deadline + 1);
        disputes.expire(game.id, game.state);
        vm.assertTrue(_out());
    }

    function test_moves_that_come_late_do_not_count() public {
        _usual();
        Game memory game = _lie();
        uint64[] memory totals = _lies(game.claim);
        bytes memory data = _packed(totals);
        Receipts.Receipt memory receipt = _receipt(said);
        Leaves.Leaf memory word = _word(5);
        vm.warp(game.state.deadline + 1);
        vm.prank(game.state.executor);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.MoveTooLate.selector, game.id, uint256(game.state.deadline)));
        disputes.answer(game.id, game.state, program, receipt, word, data);
    }

    function test_each_move_is_its_player_s() public {
        _usual();
        Game memory game = _lie();
        uint64[] memory totals = _lies(game.claim);
        bytes memory data = _packed(totals);
        Receipts.Receipt memory receipt = _receipt(said);
        Leaves.Leaf memory word = _word(5);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NotYourMove.selector, game.id, address(this)));
        disputes.answer(game.id, game.state, program, receipt, word, data);
        _answer(game, totals);
        LinearGame.Evidence memory evidence = _evidence(game.claim, 0);
        data = _packed(game.shown);
        vm.prank(game.state.executor);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NotYourMove.selector, game.id, game.state.executor));
        disputes.judge(game.id, game.state, game.claim, program, data, 0, evidence);
        vm.prank(game.state.executor);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.WrongPhase.selector, game.id, IDisputes.Phase.JUDGE));
        disputes.show(game.id, game.state, game.claim, data);
    }

    function test_states_cannot_be_brought_again_or_made_up() public {
        _usual();
        Game memory game = _lie();
        IDisputes.Dispute memory before = game.state;
        bytes memory wrong = abi.encodeWithSelector(IDisputes.WrongDispute.selector, game.id);
        IDisputes.Dispute memory other = abi.decode(abi.encode(before), (IDisputes.Dispute));
        other.deadline = 1;
        vm.expectRevert(wrong);
        disputes.expire(game.id, other);
        other = abi.decode(abi.encode(before), (IDisputes.Dispute));
        _answer(game, _lies(game.claim));
        vm.warp(block.timestamp + 10 * MOVE);
        vm.expectRevert(wrong);
        disputes.expire(game.id, other);
        disputes.expire(game.id, game.state);
        vm.expectRevert(wrong);
        disputes.expire(game.id, game.state);
        vm.assertFalse(_out());
    }

    function test_an_answer_shows_the_very_receipt_output_and_order() public {
        _usual();
        Game memory game = _lie();
        bytes memory data = _packed(_lies(game.claim));
        Leaves.Leaf memory word = _word(5);
        Leaves.Leaf memory another = _word(0);
        Receipts.Receipt memory receipt = _receipt(said);
        vm.startPrank(game.state.executor);
        receipt.rows += 1;
        vm.expectRevert(ReceiptCourt.WrongOrder.selector);
        disputes.answer(game.id, game.state, program, receipt, word, data);
        receipt.rows -= 1;
        receipt.output = "baa";
        vm.expectRevert(ReceiptCourt.WrongReceipt.selector);
        disputes.answer(game.id, game.state, program, receipt, word, data);
        receipt.output = '","output_bytes":1,"x":"';
        vm.expectRevert(Receipts.NoCid.selector);
        disputes.answer(game.id, game.state, program, receipt, word, data);
        receipt.output = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
        vm.expectRevert(Receipts.NoCid.selector);
        disputes.answer(game.id, game.state, program, receipt, word, data);
        receipt.output = cid;
        vm.expectRevert(Leaves.WrongProof.selector);
        disputes.answer(game.id, game.state, program, receipt, another, data);
        vm.stopPrank();
        program.width = 26;
        vm.prank(game.state.executor);
        vm.expectRevert(ReceiptCourt.WrongOrder.selector);
        disputes.answer(game.id, game.state, program, receipt, word, data);
    }

    function test_totals_end_where_the_claim_does() public {
        _usual();
        Game memory game = _lie();
        Leaves.Leaf memory word = _word(5);
        Receipts.Receipt memory receipt = _receipt(said);
        bytes memory data = _packed(_sums(game.claim.output, game.claim.low));
        vm.startPrank(game.state.executor);
        bytes[4] memory wrong = [data, bytes(""), bytes("123456789"), new bytes(8 * 4098)];
        for (uint256 i = 0; i < 4; ++i) {
            vm.expectRevert(ReceiptCourt.WrongTotals.selector);
            disputes.answer(game.id, game.state, program, receipt, word, wrong[i]);
        }
        vm.stopPrank();
    }

    function test_a_sum_s_looks_have_their_length() public {
        _world(1, 40, 30, 60);
        _ordered(1, 3);
        _accused(_output());
        Game memory game = _open(1);
        _about(game);
        Leaves.Leaf memory word = _word(1);
        Receipts.Receipt memory receipt = _receipt(said);
        vm.prank(game.state.executor);
        vm.expectRevert(ReceiptCourt.WrongTotals.selector);
        disputes.answer(game.id, game.state, program, receipt, word, new bytes(8));
        _answer(game, _truth(game.claim));
        bytes memory data = _packed(game.shown);
        vm.startPrank(stranger);
        vm.expectRevert(ReceiptCourt.WrongClaim.selector);
        disputes.narrow(game.id, game.state, game.claim, data, 40);
        vm.expectRevert(ReceiptCourt.WrongClaim.selector);
        disputes.narrow(game.id, game.state, game.claim, new bytes(8 * 39), 0);
        vm.stopPrank();
        _narrow(game, 39);
        game.claim.atLow ^= 1;
        vm.prank(game.state.executor);
        vm.expectRevert(ReceiptCourt.WrongClaim.selector);
        disputes.show(game.id, game.state, game.claim, data);
    }

    function test_a_false_header_cannot_be_answered_for() public {
        _usual();
        for (uint256 i = 0; i < 3; ++i) {
            uint64[] memory output = _output();
            output[i] ^= 1 << 8;
            if (i > 0) job = _again(1, 1);
            _accused(output);
            Game memory game = _open(0);
            _about(game);
            Leaves.Leaf memory word = _word(0);
            Receipts.Receipt memory receipt = _receipt(said);
            bytes memory data = _packed(_sums(0, firstRow));
            vm.prank(game.state.executor);
            vm.expectRevert(ReceiptCourt.WrongHeader.selector);
            disputes.answer(game.id, game.state, program, receipt, word, data);
        }
    }

    function test_another_job_s_receipt_cannot_be_answered_for() public {
        _usual();
        uint256 first = job;
        uint64[] memory output = _output();
        job = _again(1, 1);
        (job, first) = (first, job);
        bytes32 digest = _digest(output); // of the first job
        (job, first) = (first, job);
        said = output;
        _commit(job, _executor(job, 0), digest);
        _reveal(job, _executor(job, 0), digest);
        Game memory game = _open(5);
        _about(game);
        bytes memory data = _packed(_truth(game.claim));
        Leaves.Leaf memory word = _word(5);
        Receipts.Receipt memory receipt = _receipt(said);
        vm.prank(game.state.executor);
        vm.expectRevert(ReceiptCourt.WrongReceipt.selector);
        disputes.answer(game.id, game.state, program, receipt, word, data);
    }

    function test_evidence_is_of_the_very_words() public {
        _usual();
        Game memory game = _lie();
        uint64[] memory totals = _sums(game.claim.output, game.claim.low);
        unchecked {
            totals[totals.length - 1] = game.claim.atHigh - game.claim.atLow;
        }
        _answer(game, totals);
        bytes memory data = _packed(totals);
        LinearGame.Evidence memory right = _evidence(game.claim, 3);
        LinearGame.Evidence memory wrong = _evidence(game.claim, 2);
        vm.startPrank(stranger);
        for (uint256 i = 0; i < 7; ++i) {
            LinearGame.Evidence memory shown = abi.decode(abi.encode(right), (LinearGame.Evidence));
            if (i == 0) shown.shardNumber = 1;
            if (i == 1) shown.shardNumber = 2;
            if (i == 2) shown.fileRoot = wrong.fileRoot;
            if (i == 3) shown.filePath = wrong.filePath;
            if (i == 4) shown.word = wrong.word;
            if (i == 5) shown.input = shown.term;
            if (i == 6) shown.output.data = "";
            vm.expectRevert(Leaves.WrongProof.selector);
            disputes.judge(game.id, game.state, game.claim, program, data, 3, shown);
        }
        vm.expectRevert(ReceiptCourt.WrongTotals.selector);
        disputes.judge(game.id, game.state, game.claim, program, data, 4, right);
        vm.expectRevert(ReceiptCourt.WrongClaim.selector);
        disputes.judge(game.id, game.state, game.claim, program, bytes(""), 3, right);
        program.files = 7;
        vm.expectRevert(ReceiptCourt.WrongOrder.selector);
        disputes.judge(game.id, game.state, game.claim, program, data, 3, right);
        program.files = 6;
        disputes.judge(game.id, game.state, game.claim, program, data, 3, right);
        vm.stopPrank();
        vm.assertTrue(_out());
    }

    function test_disputes_at_once_and_one_that_is_decided_already() public {
        _usual();
        Game memory one = _lie();
        vm.prank(stranger);
        uint256 id = disputes.open(job, 0, 5, 2 * DISPUTE_BOND);
        IDisputes.Dispute memory other = abi.decode(abi.encode(one.state), (IDisputes.Dispute));
        other.bond = 2 * DISPUTE_BOND;
        _answer(one, _lies(one.claim));
        _play(one);
        vm.assertTrue(_out());
        vm.warp(block.timestamp + MOVE + 1);
        disputes.expire(id, other);
        vm.assertEq(jobs.claimable(stranger), 4 * DISPUTE_BOND);
    }

    function test_a_program_with_lookups_is_of_the_other_game() public {
        _usual();
        program.kind = 2;
        job = _again(1, 1);
        _accused(_output());
        Game memory game = _open(5);
        _about(game);
        Leaves.Leaf memory word = _word(5);
        Receipts.Receipt memory receipt = _receipt(said);
        bytes memory data = _packed(_truth(game.claim));
        vm.prank(game.state.executor);
        vm.expectRevert(ReceiptCourt.WrongOrder.selector);
        disputes.answer(game.id, game.state, program, receipt, word, data);
    }

    function test_terms_of_a_game() public {
        LineRules rules = disputes.rules();
        vm.assertEq(disputes.longestGame(), 28 * MOVE);
        vm.assertEq(disputes.leastBond(), DISPUTE_BOND);
        vm.assertEq(disputes.moveWindow(), MOVE);
        vm.expectRevert(IDisputes.BadGame.selector);
        new Disputes(address(jobs), 0, MOVE, rules);
        vm.expectRevert(IDisputes.BadGame.selector);
        new Disputes(address(jobs), 1, 0, rules);
        vm.expectRevert(IDisputes.BadGame.selector);
        new Disputes(address(jobs), 1, 65_536, rules);
    }
}
