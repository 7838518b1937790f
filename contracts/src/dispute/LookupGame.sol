// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Leaves} from "./Leaves.sol";
import {Line} from "./Line.sol";
import {LineRules} from "./LineRules.sol";
import {Programs} from "./Programs.sol";
import {Receipts} from "./Receipts.sol";
import {ReceiptCourt} from "./ReceiptCourt.sol";
import {Tables} from "./Tables.sol";

/// @title Disputes about results of circuits with lookups: docs/trace.md, section 8
/// @notice The executor shows the words that the disputed word is a sum of. The challenger names the lookup whose word is
///         false. The executor then stands for one line of all words of that lookup, which both go down like a tree, to
///         the first word in which they differ.
abstract contract LookupGame is ReceiptCourt {
    using Programs for Programs.Program;
    using Tables for Tables.Lookups;
    using Line for Line.Shape;

    /// @notice Levels of the tree that one look goes down.
    uint256 public constant LOOK = 5;
    /// @notice Levels below which the executor shows the words themselves.
    uint256 public constant WORDS_BELOW = 3;
    /// @notice Layers of lookups that one dispute can go through.
    uint256 public constant MOST_LAYERS = 2;

    /// @notice The rules by which words are judged.
    LineRules public immutable rules;

    /// @notice One word of one value of the result, and what it is a sum of.
    /// @param row in the dataset
    /// @param output of the last layer
    /// @param word of its ciphertext, 0 to N
    /// @param shown keccak256 of totals and words
    struct SumClaim {
        bytes32 program;
        bytes32 dataRoot;
        uint64 row;
        uint64 output;
        uint64 word;
        bytes32 shown;
    }

    /// @notice A program and what its lookups need.
    struct Setting {
        Programs.Program program;
        Tables.Lookups tables;
    }

    struct Step {
        Verdict verdict;
        uint64 wire;
        uint64 word;
    }

    event DisputeSummed(
        uint256 indexed dispute, uint256 indexed job, Dispute state, SumClaim claim, bytes totals, bytes words
    );
    event DisputeDescended(
        uint256 indexed dispute, uint256 indexed job, Dispute state, Tables.Claim claim, bytes shown
    );

    error WrongNodes();

    constructor(LineRules rules_) {
        rules = rules_;
    }

    /// @notice The executor stands by its receipt: the leaf or two of the output file that have the word; totals over the
    ///         terms of the last layer, whose last one rounds to that word; the word of each term's wire. All big-endian.
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
        if (setting.program.kind != Programs.LOOKUPS) revert WrongOrder();
        _checkProgram(claim.program, setting);
        _checkReceipt(state, setting.program, receipt, claim.program, _fileBytes(setting, receipt.rows), "lwe");
        uint256 value = state.value / (setting.program.size + 1);
        if (value >= receipt.rows * setting.program.outputs) return _end(dispute, state, Verdict.CLEARED);
        claim.row = uint64(receipt.firstRow + value / setting.program.outputs);
        claim.output = uint64(value % setting.program.outputs);
        claim.word = uint64(state.value % (setting.program.size + 1));
        uint256 bits = setting.tables.bits;
        if (totals.length != words.length + 8 || words.length % 8 != 0 || words.length > 8 * MOST_TERMS) {
            revert WrongTotals();
        }
        unchecked {
            uint64 last = _at(totals, words.length / 8) + uint64(1 << (63 - bits));
            if (last >> (64 - bits) != _said(setting, receipt, value, claim.word, leaves)) revert WrongTotals();
        }
        claim.shown = keccak256(bytes.concat(totals, words));
        state.claim = keccak256(abi.encode(claim));
        _keep(dispute, state, Phase.JUDGE);
        emit DisputeSummed(dispute, state.job, state, claim, totals, words);
    }

    /// @notice The challenger shows that total number `term` is false, or that the word of a published wire is; or it
    ///         names a term whose wire is a lookup, which is looked into then.
    /// @param records leaves of the output's record in the program and of the term's
    function judgeSum(
        uint256 dispute,
        Dispute memory state,
        SumClaim memory claim,
        Setting memory setting,
        bytes calldata totals,
        bytes calldata words,
        uint256 term,
        Leaves.Leaf[2] memory records,
        Tables.Proof calldata proof
    ) external {
        _turn(dispute, state, Phase.JUDGE, state.challenger);
        if (keccak256(abi.encode(claim)) != state.claim) revert WrongClaim();
        if (keccak256(bytes.concat(totals, words)) != claim.shown || totals.length != words.length + 8) {
            revert WrongClaim();
        }
        _checkProgram(claim.program, setting);
        Step memory step = _step(claim, setting.program, totals, words, term, records);
        if (step.verdict != Verdict.NONE) return _end(dispute, state, step.verdict);
        if (step.wire < setting.program.inputs) {
            Tables.Datum memory asked = Tables.Datum(claim.dataRoot, claim.row, step.wire, claim.word);
            bool same = rules.isDatum(setting.program, setting.tables, asked, step.word, proof);
            return _end(dispute, state, same ? Verdict.CLEARED : Verdict.CONVICTED);
        }
        Tables.Claim memory next;
        (next.program, next.dataRoot, next.row) = (claim.program, claim.dataRoot, claim.row);
        (next.lookup, next.word, next.said) = (uint64(step.wire - setting.program.inputs), claim.word, step.word);
        _descend(dispute, state, next, Phase.SHOW, "");
    }

    /// @notice The executor stands for the line of a lookup: the nodes of the first look below its root.
    /// @param proof leaves of the lookup's record and of its value's in the program, then of the last word in the line
    function begin(
        uint256 dispute,
        Dispute memory state,
        Tables.Claim memory claim,
        Setting memory setting,
        bytes32[] calldata nodes,
        Tables.Proof memory proof
    ) external {
        _turn(dispute, state, Phase.SHOW, state.executor);
        if (keccak256(abi.encode(claim)) != state.claim || claim.root != 0) revert WrongClaim();
        _checkProgram(claim.program, setting);
        claim.root = _folded(nodes);
        _checkBegun(claim, setting, nodes.length, proof);
        claim.shown = keccak256(abi.encodePacked(nodes));
        _descend(dispute, state, claim, Phase.NARROW, abi.encodePacked(nodes));
    }

    /// @notice The challenger names the first node below that is false.
    function pick(uint256 dispute, Dispute memory state, Tables.Claim memory claim, uint256 node) external {
        _turn(dispute, state, Phase.NARROW, state.challenger);
        if (keccak256(abi.encode(claim)) != state.claim) revert WrongClaim();
        if (node >> claim.bits != 0) revert WrongNodes();
        (claim.level, claim.node) = (claim.level + claim.bits, uint64(uint256(claim.node) << claim.bits | node));
        (claim.bits, claim.shown) = (0, 0);
        _descend(dispute, state, claim, Phase.SHOW, "");
    }

    /// @notice The executor shows the nodes of the next look.
    /// @param path from the node that was picked to the root
    function look(
        uint256 dispute,
        Dispute memory state,
        Tables.Claim memory claim,
        bytes32[] calldata nodes,
        bytes32[] calldata path
    ) external {
        _turn(dispute, state, Phase.SHOW, state.executor);
        if (keccak256(abi.encode(claim)) != state.claim || claim.root == 0) revert WrongClaim();
        claim.bits = _look(claim);
        if (claim.bits == 0 || nodes.length != 1 << claim.bits) revert WrongNodes();
        _checkNode(claim, _folded(nodes), path);
        claim.shown = keccak256(abi.encodePacked(nodes));
        _descend(dispute, state, claim, Phase.NARROW, abi.encodePacked(nodes));
    }

    /// @notice The executor shows the words below the last node, as they stand in the line.
    function showWords(
        uint256 dispute,
        Dispute memory state,
        Tables.Claim memory claim,
        bytes calldata words,
        bytes32[] calldata path
    ) external {
        _turn(dispute, state, Phase.SHOW, state.executor);
        if (keccak256(abi.encode(claim)) != state.claim || claim.root == 0) revert WrongClaim();
        if (claim.tree - claim.level != WORDS_BELOW || words.length != Leaves.BYTES << WORDS_BELOW) {
            revert WrongNodes();
        }
        bytes32[] memory leaves = new bytes32[](1 << WORDS_BELOW);
        for (uint256 i = 0; i < leaves.length; ++i) {
            leaves[i] = sha256(abi.encodePacked(uint8(0), words[i * Leaves.BYTES:(i + 1) * Leaves.BYTES]));
        }
        _checkNode(claim, Leaves.fold(leaves), path);
        claim.shown = keccak256(words);
        _descend(dispute, state, claim, Phase.JUDGE, words);
    }

    /// @notice The challenger shows that a word is false, or names one of another lookup, which is looked into then.
    /// @param place of the word among those that were shown
    function judgeWord(
        uint256 dispute,
        Dispute memory state,
        Tables.Claim memory claim,
        Setting memory setting,
        bytes calldata words,
        uint256 place,
        Tables.Proof calldata proof
    ) external {
        _turn(dispute, state, Phase.JUDGE, state.challenger);
        if (keccak256(abi.encode(claim)) != state.claim || keccak256(words) != claim.shown) revert WrongClaim();
        _checkProgram(claim.program, setting);
        uint64 said = Leaves.wordAt(words, place);
        uint256 index = (uint256(claim.node) << WORDS_BELOW) * Leaves.WORDS + place;
        (LineRules.Finding found, uint64 lookup, uint64 word) =
            rules.judge(setting.program, setting.tables, claim, index, said, proof);
        if (found != LineRules.Finding.DEEPER) {
            return _end(dispute, state, found == LineRules.Finding.FALSE ? Verdict.CONVICTED : Verdict.CLEARED);
        }
        if (claim.layer + 1 == MOST_LAYERS) revert WrongOrder();
        Tables.Claim memory next;
        (next.program, next.dataRoot, next.row) = (claim.program, claim.dataRoot, claim.row);
        (next.lookup, next.word, next.said, next.layer) = (lookup, word, said, claim.layer + 1);
        _descend(dispute, state, next, Phase.SHOW, "");
    }

    /// @dev What a step of the sum comes to: a verdict, or the wire whose word has to be right.
    function _step(
        SumClaim memory claim,
        Programs.Program memory program,
        bytes calldata totals,
        bytes calldata words,
        uint256 term,
        Leaves.Leaf[2] memory records
    ) private view returns (Step memory step) {
        Programs.Output memory sum = program.output(claim.output, records[0]);
        if (words.length / 8 != sum.terms) {
            step.verdict = Verdict.CONVICTED;
            return step;
        }
        if (term > sum.terms) revert WrongTotals();
        if (term == 0) {
            bool right = _at(totals, 0) == (claim.word == program.size ? sum.bias : 0);
            step.verdict = right ? Verdict.CLEARED : Verdict.CONVICTED;
            return step;
        }
        uint64 weight;
        (step.wire, weight) = program.term(sum.first + term - 1, records[1]);
        step.word = _at(words, term - 1);
        unchecked {
            if (_at(totals, term) != _at(totals, term - 1) + weight * step.word) step.verdict = Verdict.CONVICTED;
        }
    }

    /// @dev Reverts unless a line ends in the claim's word; the claim then has what its lookup reads.
    function _checkBegun(Tables.Claim memory claim, Setting memory setting, uint256 nodes, Tables.Proof memory proof)
        private
        view
    {
        Tables.Reader memory reader;
        reader.proof = proof;
        (claim.bias, claim.first, claim.terms, claim.table) =
            Tables.lookup(setting.program, setting.tables, claim.lookup, reader);
        Line.Shape memory shape =
            Line.shape(setting.tables.steps, setting.program.size, setting.tables.levels, claim.terms);
        claim.tree = uint64(shape.tree);
        claim.bits = _look(claim);
        if (nodes != 1 << claim.bits) revert WrongNodes();
        (uint256 place, bool negated) = shape.outAt(claim.word);
        uint64 out = Tables.take(reader, claim.root, Leaves.WORDS << shape.tree, place);
        unchecked {
            if ((negated ? uint64(0) - out : out) != claim.said) revert WrongTotals();
        }
    }

    /// @dev The rounded word of a value that the output file has. The word behind the last one is zero.
    function _said(
        Setting memory setting,
        Receipts.Receipt memory receipt,
        uint256 value,
        uint256 word,
        Leaves.Leaf[] memory leaves
    ) private view returns (uint256 said) {
        uint256 bits = setting.tables.bits;
        uint256 place = 8 * HEADER + value * _ciphertextBytes(setting) + word / 2 * (bits / 4);
        said = _pair(receipt.outputRoot, _fileBytes(setting, receipt.rows), place, bits / 4, leaves);
        if (place < Leaves.BYTES) _checkHeader(setting.program, 1, bits, receipt.rows, leaves[0].data);
        if (word == setting.program.size && said >> bits != 0) revert WrongHeader();
        return word % 2 == 0 ? said & ((1 << bits) - 1) : said >> bits;
    }

    function _ciphertextBytes(Setting memory setting) private pure returns (uint256) {
        return (setting.program.size / 2 + 1) * (setting.tables.bits / 4);
    }

    function _fileBytes(Setting memory setting, uint256 rows) private pure returns (uint256) {
        return 8 * HEADER + rows * setting.program.outputs * _ciphertextBytes(setting);
    }

    function _descend(uint256 dispute, Dispute memory state, Tables.Claim memory claim, Phase next, bytes memory shown)
        private
    {
        state.claim = keccak256(abi.encode(claim));
        _keep(dispute, state, next);
        emit DisputeDescended(dispute, state.job, state, claim, shown);
    }

    /// @dev Levels that the next look goes down from a claim's node.
    function _look(Tables.Claim memory claim) private pure returns (uint64) {
        return uint64(Math.min(LOOK, claim.tree - WORDS_BELOW - claim.level));
    }

    function _checkNode(Tables.Claim memory claim, bytes32 node, bytes32[] memory path) private view {
        if (Leaves.climb(node, claim.node, 1 << claim.level, path) != claim.root) revert Leaves.WrongProof();
    }

    function _checkProgram(bytes32 digest, Setting memory setting) private pure {
        if (setting.program.digest() != digest || setting.program.more != setting.tables.digest()) revert WrongOrder();
    }

    function _folded(bytes32[] calldata nodes) private view returns (bytes32) {
        bytes32[] memory copy = nodes;
        return Leaves.fold(copy);
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
