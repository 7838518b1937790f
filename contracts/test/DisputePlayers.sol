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

/// @title Both players of a dispute about a linear result, honest and not
abstract contract DisputePlayers is DisputeWorld {
    /// @dev A dispute as a player follows it.
    struct Game {
        uint256 id;
        IDisputes.Dispute state;
        LinearGame.Claim claim;
        uint64[] shown;
    }

    uint64[] internal said; // the output file that the accused revealed
    uint256 internal dice;

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
        vm.assertEq(disputes.digestOf(game.id), _position(game.state, value));
    }

    /// @dev The word that the contract keeps of a dispute that nobody has answered yet.
    function _position(IDisputes.Dispute memory state, uint64 value) private view returns (bytes32) {
        IDisputes.Position memory position;
        position.job = state.job;
        position.matter = keccak256(abi.encode(uint8(0), DISPUTE_BOND, state.receipt, state.order, value));
        position.executor = state.executor;
        position.challenger = stranger;
        position.phase = IDisputes.Phase.ANSWER;
        position.deadline = state.deadline;
        return keccak256(abi.encode(position, bytes32(0)));
    }

    function _claimed(Game memory game, uint64[] memory totals) internal view {
        game.shown = totals;
        game.claim.shown = keccak256(_packed(totals));
        game.state.claim = keccak256(abi.encode(bytes32("rows"), game.claim));
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
        game.state.claim = keccak256(abi.encode(bytes32("rows"), game.claim));
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
}
