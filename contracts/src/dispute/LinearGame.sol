// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Leaves} from "./Leaves.sol";
import {Programs} from "./Programs.sol";
import {Receipts} from "./Receipts.sol";
import {ReceiptCourt} from "./ReceiptCourt.sol";

/// @title Disputes about results of linear layers, and of their sums over rows: docs/trace.md, section 7
/// @notice The executor shows the receipt that its digest is of, the output word, and the totals whose last one is that
///         word. The challenger shows the first total that does not follow from the one before.
abstract contract LinearGame is ReceiptCourt {
    using Programs for Programs.Program;

    /// @param program its digest
    /// @param output of the layer, that is summed
    /// @param low the sum's first row in the dataset
    /// @param high one past its last
    /// @param atLow total before the first row
    /// @param atHigh total after the last row
    /// @param shown keccak256 of the totals in between; of one row, of the totals over its terms
    struct Claim {
        bytes32 program;
        bytes32 dataRoot;
        uint64 output;
        uint64 low;
        uint64 high;
        uint64 atLow;
        uint64 atHigh;
        bytes32 shown;
    }

    /// @notice What shows a total to be false; of the first total, and of a wrong number of them, `output` alone.
    struct Evidence {
        Leaves.Leaf output;
        Leaves.Leaf term;
        Leaves.Leaf input;
        Leaves.Leaf shard;
        uint256 shardNumber;
        bytes32 fileRoot;
        bytes32[] filePath;
        Leaves.Leaf word;
    }

    /// @dev What a digest of a claim begins with: other games' claims have as many words, and the same phases.
    bytes32 private constant GAME = "rows";

    /// @notice Stretches in which a look cuts a sum over rows.
    uint256 public constant FAN = 128;

    event DisputeShown(uint256 indexed dispute, uint256 indexed job, Dispute state, Claim claim, bytes totals);

    /// @notice The executor stands by its receipt. Clears it at once where there is no such value.
    /// @param word the leaf of the output file that has the value
    /// @param totals as `show` takes them
    function answer(
        uint256 dispute,
        Dispute memory state,
        Programs.Program memory program,
        Receipts.Receipt memory receipt,
        Leaves.Leaf memory word,
        bytes calldata totals
    ) external {
        _turn(dispute, state, Phase.ANSWER, state.executor);
        Claim memory claim;
        if (program.kind >= Programs.LOOKUPS) revert WrongOrder();
        claim.program = program.digest();
        claim.dataRoot = receipt.dataRoot;
        uint256 rows = program.resultRows(receipt.rows);
        uint256 length = 8 * (HEADER + rows * program.outputs);
        _checkReceipt(state, program, receipt, claim.program, length, "bodies");
        if (state.value >= rows * program.outputs) return _end(dispute, state, Verdict.CLEARED);
        uint256 row = state.value / program.outputs;
        claim.output = uint64(state.value % program.outputs);
        claim.low = uint64(receipt.firstRow + row * program.block);
        claim.high = uint64(Math.min(claim.low + program.block, receipt.firstRow + receipt.rows));
        uint256 place = HEADER + claim.output * rows + row;
        claim.atHigh = Leaves.word(receipt.outputRoot, length, place, word);
        if (place < Leaves.WORDS) _checkHeader(program, 0, 64, rows, word.data);
        _show(dispute, state, claim, totals);
    }

    /// @notice The challenger names the stretch of rows whose first total is right and whose last is not.
    function narrow(uint256 dispute, Dispute memory state, Claim memory claim, bytes calldata totals, uint256 stretch)
        external
    {
        _turn(dispute, state, Phase.NARROW, state.challenger);
        _checkClaim(state, claim, totals);
        (uint64 low, uint64 high) = (claim.low, claim.high);
        uint256 parts = Math.min(FAN, high - low);
        if (stretch >= parts) revert WrongClaim();
        if (stretch > 0) claim.atLow = _at(totals, stretch - 1);
        if (stretch + 1 < parts) claim.atHigh = _at(totals, stretch);
        claim.low = uint64(low + (high - low) * stretch / parts);
        claim.high = uint64(low + (high - low) * (stretch + 1) / parts);
        claim.shown = bytes32(0);
        state.claim = _digestOf(claim);
        _keep(dispute, state, Phase.SHOW);
        emit DisputeShown(dispute, state.job, state, claim, "");
    }

    /// @notice The executor shows totals, 8 bytes each, big-endian: of several rows, those between the stretches of
    ///         `narrow`; of one row, those before and after each term.
    function show(uint256 dispute, Dispute memory state, Claim memory claim, bytes calldata totals) external {
        _turn(dispute, state, Phase.SHOW, state.executor);
        if (_digestOf(claim) != state.claim) revert WrongClaim();
        _show(dispute, state, claim, totals);
    }

    /// @notice The challenger shows that total number `term` is false. Clears the executor if it is right.
    function judge(
        uint256 dispute,
        Dispute memory state,
        Claim memory claim,
        Programs.Program memory program,
        bytes calldata totals,
        uint256 term,
        Evidence memory evidence
    ) external {
        _turn(dispute, state, Phase.JUDGE, state.challenger);
        _checkClaim(state, claim, totals);
        if (program.digest() != claim.program) revert WrongOrder();
        bool right = _follows(claim, program, totals, term, evidence);
        _end(dispute, state, right ? Verdict.CLEARED : Verdict.CONVICTED);
    }

    function _follows(
        Claim memory claim,
        Programs.Program memory program,
        bytes calldata totals,
        uint256 term,
        Evidence memory evidence
    ) private view returns (bool) {
        Programs.Output memory output = program.output(claim.output, evidence.output);
        uint256 terms = totals.length / 8 - 1;
        if (terms != output.terms) return false;
        if (term > terms) revert WrongTotals();
        if (term == 0) return _at(totals, 0) == output.bias;
        (uint64 wire, uint64 weight) = program.term(output.first + term - 1, evidence.term);
        uint64 word = _word(claim, program, wire, evidence);
        unchecked {
            return _at(totals, term) == _at(totals, term - 1) + weight * word;
        }
    }

    /// @dev The body word of a wire in the claim's row.
    function _word(Claim memory claim, Programs.Program memory program, uint64 wire, Evidence memory evidence)
        private
        view
        returns (uint64)
    {
        (uint64 first, uint64 rows) = program.shardRows(evidence.shardNumber, evidence.shard);
        if (claim.low < first || claim.low - first >= rows) revert Leaves.WrongProof();
        Programs.Input memory input = program.input(evidence.shardNumber, wire, evidence.input);
        Leaves.checkFile(claim.dataRoot, evidence.fileRoot, input.file, program.files, evidence.filePath);
        return Leaves.word(evidence.fileRoot, input.length, input.base + (claim.low - first), evidence.word);
    }

    function _show(uint256 dispute, Dispute memory state, Claim memory claim, bytes calldata totals) private {
        Phase next = Phase.NARROW;
        uint256 rows = claim.high - claim.low;
        if (rows == 1) {
            if (totals.length < 8 || totals.length % 8 != 0 || totals.length > 8 * (MOST_TERMS + 1)) {
                revert WrongTotals();
            }
            unchecked {
                uint64 sum = claim.atHigh - claim.atLow;
                if (_at(totals, totals.length / 8 - 1) != sum) revert WrongTotals();
            }
            next = Phase.JUDGE;
        } else if (totals.length != 8 * (Math.min(FAN, rows) - 1)) {
            revert WrongTotals();
        }
        claim.shown = keccak256(totals);
        state.claim = _digestOf(claim);
        _keep(dispute, state, next);
        emit DisputeShown(dispute, state.job, state, claim, totals);
    }

    function _digestOf(Claim memory claim) private pure returns (bytes32) {
        return keccak256(abi.encode(GAME, claim));
    }

    function _checkClaim(Dispute memory state, Claim memory claim, bytes calldata totals) private pure {
        if (_digestOf(claim) != state.claim || keccak256(totals) != claim.shown) revert WrongClaim();
    }
}
