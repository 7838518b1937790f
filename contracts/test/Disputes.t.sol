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
import {DisputePlayers} from "./DisputePlayers.sol";
import {Tree} from "./Tree.sol";

/// @title The game about a linear result: liars lose it, the honest never do
contract DisputesTest is DisputePlayers {
    function setUp() public {
        _deploy();
        _fund(stranger);
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
