// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Leaves} from "./Leaves.sol";
import {LineRules} from "./LineRules.sol";
import {Programs} from "./Programs.sol";
import {Receipts} from "./Receipts.sol";
import {StretchGame} from "./StretchGame.sol";
import {Tables} from "./Tables.sol";

// Long because one dispute goes through its parts by the same claims.
/// @title Disputes about results of circuits with lookups: docs/trace.md, sections 8 and 9
/// @notice The executor shows the words that the disputed word is a sum of. The challenger names the lookup whose word is
///         false, and stands for the words that it follows from, by the roots over the first so many of them. Players then
///         cut those words in turn (`StretchGame`). Where one word is left, who is to move lets the contract work it out.
///         Of a packed ciphertext there is a line of its own, before all this: what it packs are such sums.
abstract contract LookupGame is StretchGame {
    using Programs for Programs.Program;
    using Tables for Tables.Lookups;

    /// @notice Layers of lookups that one dispute can go through.
    uint256 public constant MOST_LAYERS = 2;

    /// @notice The rules by which words are judged.
    LineRules public immutable rules;

    /// @notice One word of one value of the result, and what it is a sum of.
    /// @param row in the dataset
    /// @param output of the last layer
    /// @param word of its ciphertext, 0 to N
    /// @param levels of the tree over the words of a lookup's line
    /// @param shown keccak256 of totals and words
    struct SumClaim {
        bytes32 program;
        bytes32 dataRoot;
        uint64 row;
        uint64 output;
        uint64 word;
        uint64 levels;
        bytes32 shown;
    }

    /// @notice A program and what its lookups need.
    struct Setting {
        Programs.Program program;
        Tables.Lookups tables;
    }

    /// @notice What a sum of the last layer is looked into by: what the executor showed, the number of a total, and
    ///         leaves of the output's record in the program and of the term's.
    struct Sum {
        bytes totals;
        bytes words;
        uint256 term;
        Leaves.Leaf[2] records;
    }

    /// @notice Totals over the terms of the last layer, and the words of their wires: 8 bytes each, big-endian.
    struct Shown {
        bytes totals;
        bytes words;
    }

    /// @param open the total follows from a word that has to be right
    /// @param refuted else: it does not follow
    struct Step {
        bool open;
        bool refuted;
        uint64 wire;
        uint64 word;
    }

    event DisputeSummed(
        uint256 indexed dispute, uint256 indexed job, Dispute state, SumClaim claim, bytes totals, bytes words
    );
    event DisputeDescended(uint256 indexed dispute, uint256 indexed job, Dispute state, Tables.Claim claim);

    constructor(LineRules rules_) {
        rules = rules_;
    }

    /// @notice The executor stands by its receipt: the leaf or two of the output file that have the word; totals over the
    ///         terms of the last layer, whose last one rounds to that word; the word of each term's wire. All big-endian.
    ///         Of a result that is packed the leaf alone.
    function answerLookup(
        uint256 dispute,
        Dispute memory state,
        Setting memory setting,
        Receipts.Receipt memory receipt,
        Leaves.Leaf[] memory leaves,
        bytes calldata totals,
        bytes calldata words
    ) external {
        _turn(dispute, state, Phase.ANSWER, state.executor);
        SumClaim memory claim;
        (claim.program, claim.dataRoot) = (setting.program.digest(), receipt.dataRoot);
        if (setting.program.kind < Programs.LOOKUPS) revert WrongOrder();
        _checkProgram(claim.program, setting);
        if (_checkForm(state, setting, receipt, claim.program)) {
            return _answerPacked(dispute, state, setting, receipt, leaves, claim.program);
        }
        uint256 value = state.value / (setting.program.size + 1);
        if (value >= receipt.rows * setting.program.outputs) return _end(dispute, state, Verdict.CLEARED);
        claim.row = uint64(receipt.firstRow + value / setting.program.outputs);
        claim.output = uint64(value % setting.program.outputs);
        claim.word = uint64(state.value % (setting.program.size + 1));
        _checkLast(setting.tables.bits, _last(totals, words), _said(setting, receipt, value, claim.word, leaves));
        claim.levels = uint64(setting.tables.lineLevels);
        _summed(dispute, state, claim, totals, words, Phase.JUDGE);
    }

    /// @dev As `_checkReceipt`; whether the result is packed.
    function _checkForm(Dispute memory state, Setting memory setting, Receipts.Receipt memory receipt, bytes32 digest)
        private
        view
        returns (bool packed)
    {
        uint256 length;
        (length, packed) = _fileBytes(setting, receipt.rows);
        _checkReceipt(state, setting.program, receipt, digest, length, packed ? "packed" : "lwe");
    }

    function _checkLast(uint256 bits, uint64 last, uint256 said) private pure {
        unchecked {
            if ((last + uint64(1 << (63 - bits))) >> (64 - bits) != said) revert WrongTotals();
        }
    }

    /// @dev Whose ciphertexts are packed.
    function _answerPacked(
        uint256 dispute,
        Dispute memory state,
        Setting memory setting,
        Receipts.Receipt memory receipt,
        Leaves.Leaf[] memory leaves,
        bytes32 program
    ) private {
        (uint256 length,) = _fileBytes(setting, receipt.rows);
        uint256 place = 8 * HEADER + 4 * uint256(state.value);
        if (place >= length) return _end(dispute, state, Verdict.CLEARED);
        Tables.Claim memory claim;
        (claim.program, claim.dataRoot, claim.row) = (program, receipt.dataRoot, uint64(receipt.firstRow));
        uint256 size = setting.program.size;
        uint256 end = Math.min((state.value / (2 * size) + 1) * size, receipt.rows * setting.program.outputs);
        (claim.lookup, claim.word) = (uint64(setting.tables.lookups + end), uint64(state.value % (2 * size)));
        claim.said = uint64(_pair(receipt.outputRoot, length, place, 4, leaves));
        if (place < Leaves.BYTES) _checkHeader(setting.program, 2, 32, receipt.rows, leaves[0].data);
        claim.levels = uint64(setting.tables.lineLevels);
        _descend(dispute, state, claim, Phase.NARROW);
    }

    /// @notice As `judgeWord`, of a word of a value that was packed, which is what is shown of it in the last layer: totals
    ///         over its terms, and the words of their wires. The other player has to show that these are false.
    function sumWord(
        uint256 dispute,
        Dispute memory state,
        Tables.Claim memory claim,
        Setting memory setting,
        Stretch memory stretch,
        Pick calldata pick,
        Shown calldata shown,
        bytes calldata proof
    ) external {
        uint64 last = _last(shown.totals, shown.words);
        LineRules.Finding memory found = _found(dispute, state, claim, setting, stretch, pick, last, proof);
        if (!found.deeper || claim.lookup <= setting.tables.lookups) revert WrongOrder();
        if (found.root == pick.high) return _judged(dispute, state, false);
        SumClaim memory sum;
        (sum.program, sum.dataRoot, sum.word) = (claim.program, claim.dataRoot, found.place);
        sum.row = uint64(claim.row + found.lookup / setting.program.outputs);
        sum.output = uint64(found.lookup % setting.program.outputs);
        sum.levels = uint64(setting.tables.lineLevels);
        Phase next = state.phase == Phase.SHOW ? Phase.JUDGE : Phase.SHOW;
        _summed(dispute, state, sum, shown.totals, shown.words, next);
    }

    /// @notice Whoever is to move shows that total number `term` is false, or that the word of a published wire is.
    /// @param proof as `LineRules.datum` takes it
    function judgeSum(
        uint256 dispute,
        Dispute memory state,
        SumClaim memory claim,
        Setting memory setting,
        Sum calldata sum,
        bytes calldata proof
    ) external {
        Step memory step = _step(dispute, state, claim, setting.program, sum);
        _checkProgram(claim.program, setting);
        if (!step.open) return _judged(dispute, state, step.refuted);
        Tables.Datum memory asked = Tables.Datum(claim.dataRoot, claim.row, step.wire, claim.word);
        _judged(dispute, state, rules.datum(setting.program, setting.tables, asked, proof) != step.word);
    }

    /// @notice Whoever is to move names a term whose wire is a lookup, and gives its roots over the words of that.
    function name(
        uint256 dispute,
        Dispute memory state,
        SumClaim memory claim,
        Programs.Program memory program,
        Sum calldata sum,
        bytes32[] calldata roots
    ) external {
        Step memory step = _step(dispute, state, claim, program, sum);
        if (!step.open || step.wire < program.inputs) revert WrongTotals();
        Tables.Claim memory next;
        (next.program, next.dataRoot, next.row, next.levels) = (claim.program, claim.dataRoot, claim.row, claim.levels);
        (next.lookup, next.word, next.said) = (uint64(step.wire - program.inputs), claim.word, step.word);
        _descend(dispute, state, next, state.phase == Phase.SHOW ? Phase.SHOW : Phase.NARROW);
        _begin(dispute, _position(state), state.claim, next.levels, roots);
    }

    /// @notice Names the first root that is false, where one word is between it and the one before, and lets that word be
    ///         worked out. One of another lookup is `said`, and the other player has to show that it is not.
    function judgeWord(
        uint256 dispute,
        Dispute memory state,
        Tables.Claim memory claim,
        Setting memory setting,
        Stretch memory stretch,
        Pick calldata pick,
        uint64 said,
        bytes calldata proof
    ) external {
        LineRules.Finding memory found = _found(dispute, state, claim, setting, stretch, pick, said, proof);
        bool refuted = found.root != pick.high;
        if (!found.deeper || !refuted) return _judged(dispute, state, refuted);
        if (claim.lookup >= setting.tables.lookups) revert WrongOrder();
        _deeper(dispute, state, claim, found);
    }

    /// @notice Lets the word of the lookup be worked out where all roots are true: it is what the player said.
    function judgeResult(
        uint256 dispute,
        Dispute memory state,
        Tables.Claim memory claim,
        Setting memory setting,
        Stretch memory stretch,
        Pick calldata pick,
        bytes calldata proof
    ) external {
        _toJudge(dispute, state, claim, setting, stretch, pick);
        if (stretch.level != 0 || pick.part + 1 != 1 << stretch.bits) revert WrongRoots();
        uint64 word = rules.result(setting.program, setting.tables, claim, pick.high, proof);
        _judged(dispute, state, word == claim.said);
    }

    /// @dev The word behind a pick, worked out from those before it.
    function _found(
        uint256 dispute,
        Dispute memory state,
        Tables.Claim memory claim,
        Setting memory setting,
        Stretch memory stretch,
        Pick calldata pick,
        uint64 said,
        bytes calldata proof
    ) private view returns (LineRules.Finding memory) {
        _toJudge(dispute, state, claim, setting, stretch, pick);
        if (stretch.level + stretch.bits != stretch.levels) revert WrongRoots();
        uint256 index = uint256(stretch.node) << stretch.bits | pick.part;
        return rules.judge(setting.program, setting.tables, claim, pick.low, index, said, proof);
    }

    /// @dev What a step of the sum comes to: whether it follows, and the wire whose word has to be right.
    function _step(
        uint256 dispute,
        Dispute memory state,
        SumClaim memory claim,
        Programs.Program memory program,
        Sum calldata sum
    ) private view returns (Step memory step) {
        if (state.phase == Phase.SHOW) {
            _turn(dispute, state, Phase.SHOW, state.executor);
        } else {
            _turn(dispute, state, Phase.JUDGE, state.challenger);
        }
        if (keccak256(abi.encode(claim)) != state.claim || program.digest() != claim.program) revert WrongClaim();
        (bytes calldata totals, bytes calldata words, uint256 term) = (sum.totals, sum.words, sum.term);
        if (keccak256(bytes.concat(totals, words)) != claim.shown || totals.length != words.length + 8) {
            revert WrongClaim();
        }
        Programs.Output memory output = program.output(claim.output, sum.records[0]);
        if (words.length / 8 != output.terms) {
            step.refuted = true;
            return step;
        }
        if (term > output.terms) revert WrongTotals();
        if (term == 0) {
            step.refuted = _at(totals, 0) != (claim.word == program.size ? output.bias : 0);
            return step;
        }
        uint64 weight;
        (step.wire, weight) = program.term(output.first + term - 1, sum.records[1]);
        step.word = _at(words, term - 1);
        unchecked {
            step.refuted = _at(totals, term) != _at(totals, term - 1) + weight * step.word;
        }
        step.open = !step.refuted;
    }

    /// @dev The last total of as many as there are words, and one more.
    function _last(bytes calldata totals, bytes calldata words) private pure returns (uint64) {
        if (totals.length != words.length + 8 || words.length % 8 != 0 || words.length > 8 * MOST_TERMS) {
            revert WrongTotals();
        }
        return _at(totals, words.length / 8);
    }

    /// @dev A player stands for a word of a value, as a sum; the other, whose phase is next, has to show that it is false.
    function _summed(
        uint256 dispute,
        Dispute memory state,
        SumClaim memory claim,
        bytes calldata totals,
        bytes calldata words,
        Phase next
    ) private {
        claim.shown = keccak256(bytes.concat(totals, words));
        state.claim = keccak256(abi.encode(claim));
        _keep(dispute, state, next);
        emit DisputeSummed(dispute, state.job, state, claim, totals, words);
    }

    /// @dev The rounded word of a value that the output file has. The word behind the last one is zero.
    function _said(
        Setting memory setting,
        Receipts.Receipt memory receipt,
        uint256 value,
        uint256 word,
        Leaves.Leaf[] memory leaves
    ) private view returns (uint256 said) {
        (uint256 length,) = _fileBytes(setting, receipt.rows);
        uint256 bits = setting.tables.bits;
        uint256 place = 8 * HEADER + value * _ciphertextBytes(setting) + word / 2 * (bits / 4);
        said = _pair(receipt.outputRoot, length, place, bits / 4, leaves);
        if (place < Leaves.BYTES) _checkHeader(setting.program, 1, bits, receipt.rows, leaves[0].data);
        if (word == setting.program.size && said >> bits != 0) revert WrongHeader();
        return word % 2 == 0 ? said & ((1 << bits) - 1) : said >> bits;
    }

    function _ciphertextBytes(Setting memory setting) private pure returns (uint256) {
        return (setting.program.size / 2 + 1) * (setting.tables.bits / 4);
    }

    /// @dev Bytes of a result on so many rows, and whether it is packed: docs/canonical-evaluator.md, section 8.
    function _fileBytes(Setting memory setting, uint256 rows) private pure returns (uint256 length, bool packed) {
        (uint256 size, uint256 values) = (setting.program.size, rows * setting.program.outputs);
        length = values * _ciphertextBytes(setting);
        uint256 other = 4 * (Math.ceilDiv(values, size) * size + values);
        packed = setting.program.kind == Programs.PACKING && other < length;
        length = 8 * HEADER + (packed ? other : length);
    }

    /// @dev A word of a lookup is disputed, by the player whose phase is next.
    function _descend(uint256 dispute, Dispute memory state, Tables.Claim memory claim, Phase next) private {
        state.claim = keccak256(abi.encode(claim));
        _keep(dispute, state, next);
        emit DisputeDescended(dispute, state.job, state, claim);
    }

    function _toJudge(
        uint256 dispute,
        Dispute memory state,
        Tables.Claim memory claim,
        Setting memory setting,
        Stretch memory stretch,
        Pick calldata pick
    ) private view {
        bytes32 picked = _picked(stretch, pick);
        if (picked != state.claim || keccak256(abi.encode(claim)) != stretch.line) revert WrongClaim();
        _turnOf(dispute, _position(state), picked);
        _checkProgram(claim.program, setting);
    }

    /// @dev The player to move has said a word of another lookup; the other has to show that it is not.
    function _deeper(uint256 dispute, Dispute memory state, Tables.Claim memory claim, LineRules.Finding memory found)
        private
    {
        if (claim.layer + 1 == MOST_LAYERS) revert WrongOrder();
        (claim.lookup, claim.word, claim.said) = (found.lookup, found.place, found.word);
        ++claim.layer;
        _descend(dispute, state, claim, state.phase == Phase.SHOW ? Phase.NARROW : Phase.SHOW);
    }

    /// @dev Ends it for the player to move, or against it.
    function _judged(uint256 dispute, Dispute memory state, bool right) private {
        bool executors = state.phase == Phase.SHOW;
        _end(dispute, state, right == executors ? Verdict.CLEARED : Verdict.CONVICTED);
    }

    function _checkProgram(bytes32 digest, Setting memory setting) private pure {
        if (setting.program.digest() != digest || setting.program.more != setting.tables.digest()) revert WrongOrder();
    }

    /// @dev The two words of a result's ciphertext that stand together in `count` bytes, at a place of its file.
    function _pair(bytes32 root, uint256 length, uint256 place, uint256 count, Leaves.Leaf[] memory leaves)
        private
        view
        returns (uint256 pair)
    {
        (uint256 leaf, uint256 inside) = (place / Leaves.BYTES, place % Leaves.BYTES);
        uint256 needed = inside + count > Leaves.BYTES ? 2 : 1;
        if (leaves.length != needed) revert Leaves.WrongProof();
        bytes memory data = leaves[0].data;
        for (uint256 i = 0; i < needed; ++i) {
            if (!Leaves.holds(root, leaves[i].data, leaf + i, length, leaves[i].path)) revert Leaves.WrongProof();
            if (i == 1) data = bytes.concat(data, leaves[i].data);
        }
        for (uint256 i = 0; i < count; ++i) {
            pair |= uint256(uint8(data[inside + i])) << (8 * i);
        }
    }
}
