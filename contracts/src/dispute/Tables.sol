// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Aes} from "./Aes.sol";
import {Leaves} from "./Leaves.sol";
import {Programs} from "./Programs.sol";

/// @title What a dispute reads of a circuit with lookups: docs/trace.md, section 8
library Tables {
    using Programs for Programs.Program;

    /// @param steps n
    /// @param switchBase bits of the keyswitch gadget's digits
    /// @param base bits of the bootstrap gadget's digits
    /// @param values of all linear layers before lookups, with `terms` in all
    /// @param bits of a word of the result
    /// @param keyswitch root of the key's rows
    /// @param points root of the bootstrap key's points
    /// @param tests root of the test polynomials, of which there are `tables`
    /// @param roots root of the roots of unity
    struct Lookups {
        uint256 steps;
        uint256 switchBase;
        uint256 switchLevels;
        uint256 base;
        uint256 levels;
        uint256 centred;
        uint256 values;
        uint256 terms;
        uint256 lookups;
        uint256 tables;
        uint256 bits;
        bytes32 keyswitch;
        bytes32 points;
        bytes32 tests;
        bytes32 roots;
    }

    /// @notice Word `word` of lookup `lookup` in a row, which an executor says is `said`; and how far it is looked into.
    /// @param root of its line of words
    /// @param layer how many lookups were looked into before
    /// @param tree levels of that line's tree
    /// @param bits levels that the present look goes down
    /// @param level of the node that is looked at, below the root
    /// @param shown keccak256 of what stands below the node
    struct Claim {
        bytes32 program;
        bytes32 dataRoot;
        uint64 row;
        uint64 lookup;
        uint64 word;
        uint64 said;
        uint64 bias;
        uint64 first;
        uint64 terms;
        uint64 table;
        uint64 layer;
        bytes32 root;
        uint64 tree;
        uint64 bits;
        uint64 level;
        uint64 node;
        bytes32 shown;
    }

    /// @notice Leaves in the order in which a rule reads them, and where a word of the dataset is.
    struct Proof {
        Leaves.Leaf[] leaves;
        uint256 shard;
        bytes32 fileRoot;
        bytes32[] filePath;
    }

    /// @param word of the wire's ciphertext
    struct Datum {
        bytes32 dataRoot;
        uint256 row;
        uint256 wire;
        uint256 word;
    }

    /// @dev Where a wire's words are: its file and its mask's seed.
    struct Source {
        uint256 inside;
        uint64 file;
        uint256 base;
        uint256 length;
        uint64 low;
        uint64 high;
    }

    struct Reader {
        Proof proof;
        uint256 used;
    }

    function digest(Lookups memory tables) internal pure returns (bytes32) {
        return sha256(abi.encode(tables));
    }

    /// @notice The next leaf's word number `index` under a root over `words` words.
    function take(Reader memory reader, bytes32 root, uint256 words, uint256 index) internal view returns (uint64) {
        if (reader.used == reader.proof.leaves.length) revert Leaves.WrongProof();
        return Leaves.word(root, 8 * words, index, reader.proof.leaves[reader.used++]);
    }

    /// @notice The word behind the one that was taken last, in the same leaf.
    function behind(Reader memory reader, uint256 index, uint256 more) internal pure returns (uint64) {
        return Leaves.wordAt(reader.proof.leaves[reader.used - 1].data, index % Leaves.WORDS + more);
    }

    /// @notice Bias, first term and number of terms of the value that a lookup reads, and its test polynomial.
    function lookup(Programs.Program memory program, Lookups memory tables, uint256 number, Reader memory reader)
        internal
        view
        returns (uint64 bias, uint64 first, uint64 count, uint64 table)
    {
        if (number >= tables.lookups) revert Leaves.WrongProof();
        uint256 place = valuesAt(program) + _full(4 * tables.values) + _full(2 * tables.terms) + 2 * number;
        uint64 value = take(reader, program.words, program.length, place);
        table = behind(reader, place, 1);
        place = valuesAt(program) + 4 * uint256(value);
        bias = take(reader, program.words, program.length, place);
        (first, count) = (behind(reader, place, 1), behind(reader, place, 2));
    }

    /// @notice Wire and weight of a term before a lookup.
    function term(Programs.Program memory program, Lookups memory tables, uint256 number, Reader memory reader)
        internal
        view
        returns (uint64 wire, uint64 weight)
    {
        uint256 place = valuesAt(program) + _full(4 * tables.values) + 2 * number;
        wire = take(reader, program.words, program.length, place);
        weight = behind(reader, place, 1);
    }

    /// @notice A word of the ciphertext that a published wire is in a row: a word of its file, or of its mask.
    function datum(Programs.Program memory program, Lookups memory tables, Datum memory asked, Reader memory reader)
        internal
        view
        returns (uint64)
    {
        Source memory source;
        _findRow(program, asked, source, reader);
        uint256 place = program.inputAt(reader.proof.shard, asked.wire);
        source.file = take(reader, program.words, program.length, place);
        source.base = behind(reader, place, 1);
        source.length = behind(reader, place, 2) / 8;
        if (asked.word == program.size) return _fileWord(program, asked, source, reader);
        place = _seeds(program, tables) + 2 * (reader.proof.shard * program.inputs + asked.wire);
        source.low = take(reader, program.words, program.length, place);
        source.high = behind(reader, place, 1);
        return _mask(source, asked.word, program.size);
    }

    function _findRow(Programs.Program memory program, Datum memory asked, Source memory source, Reader memory reader)
        private
        view
    {
        uint256 shard = reader.proof.shard;
        uint256 place = program.shardAt(shard);
        uint64 first = take(reader, program.words, program.length, place);
        if (shard >= program.shards || asked.row < first) revert Leaves.WrongProof();
        source.inside = asked.row - first;
        if (source.inside >= behind(reader, place, 1)) revert Leaves.WrongProof();
    }

    function _fileWord(Programs.Program memory program, Datum memory asked, Source memory source, Reader memory reader)
        private
        view
        returns (uint64)
    {
        Proof memory proof = reader.proof;
        Leaves.checkFile(asked.dataRoot, proof.fileRoot, source.file, program.files, proof.filePath);
        return take(reader, proof.fileRoot, source.length, source.base + source.inside);
    }

    /// @dev Mask word i of row r of a chunk: A_(r-i), or -A_(N+r-i) where that wraps; two words are one block.
    function _mask(Source memory source, uint256 index, uint256 size) private pure returns (uint64) {
        uint256 r = source.inside % size;
        uint256 place = source.base + source.inside - r + (index > r ? size + r - index : r - index);
        (uint64 even, uint64 odd) = Aes.stream(source.low, source.high, uint64(place / 2));
        uint64 word = place % 2 == 0 ? even : odd;
        unchecked {
            return index > r ? uint64(0) - word : word;
        }
    }

    function valuesAt(Programs.Program memory program) internal pure returns (uint256) {
        return _full(program.shardAt(program.shards));
    }

    function _seeds(Programs.Program memory program, Lookups memory tables) private pure returns (uint256) {
        return valuesAt(program) + _full(4 * tables.values) + _full(2 * tables.terms) + _full(2 * tables.lookups);
    }

    function _full(uint256 words) private pure returns (uint256) {
        return (words + Leaves.WORDS - 1) / Leaves.WORDS * Leaves.WORDS;
    }
}
