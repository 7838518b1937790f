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
    /// @param values of all linear layers before lookups, with `terms` in all, and `most` in one
    /// @param bits of a word of the result
    /// @param lineLevels of the tree over the words of each line
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
        uint256 most;
        uint256 lookups;
        uint256 tables;
        uint256 bits;
        uint256 lineLevels;
        bytes32 keyswitch;
        bytes32 points;
        bytes32 tests;
        bytes32 roots;
    }

    /// @notice Word `word` of lookup `lookup` in a row, which a player says is `said`; or of a packed ciphertext, rounded.
    /// @param row of the lookup in the dataset; of a packed ciphertext, the job's first one
    /// @param lookup its number; behind all lookups, how many values of the result there are up to the ciphertext's last one
    /// @param layer how many lookups were looked into before
    /// @param levels of the tree over the words of its line
    struct Claim {
        bytes32 program;
        bytes32 dataRoot;
        uint64 row;
        uint64 lookup;
        uint64 word;
        uint64 said;
        uint64 layer;
        uint64 levels;
    }

    /// @dev A lookup's test polynomial, and the value that it reads.
    struct Record {
        uint64 table;
        uint64 bias;
        uint64 first;
        uint64 terms;
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

    /// @notice Leaves in the calldata, in the order in which a rule reads them, each with its path behind it. One that was
    ///         read last is not there again.
    /// @param spot what is read next
    /// @param root the last leaf's, with its number and where it stands
    struct Reader {
        uint256 spot;
        bytes32 root;
        uint256 leaf;
        uint256 data;
    }

    function digest(Lookups memory tables) internal pure returns (bytes32) {
        return sha256(abi.encode(tables));
    }

    /// @notice The next 32 bytes.
    function next(Reader memory reader) internal pure returns (bytes32 word) {
        word = Leaves.shownAt(reader.spot);
        reader.spot += 32;
    }

    /// @notice Word number `index` under a root over `words` words, in the next leaf or the last one.
    function take(Reader memory reader, bytes32 root, uint256 words, uint256 index) internal view returns (uint64) {
        (uint256 leaf, uint256 count) = (index / Leaves.WORDS, (words + Leaves.WORDS - 1) / Leaves.WORDS);
        if (reader.data == 0 || reader.leaf != leaf || reader.root != root) {
            if (leaf >= count) revert Leaves.WrongProof();
            uint256 length = leaf + 1 < count ? Leaves.BYTES : 8 * words - leaf * Leaves.BYTES;
            (reader.root, reader.leaf, reader.data) = (root, leaf, reader.spot);
            bytes32 digest_ = Leaves.leafAt(reader.spot, length);
            (digest_, reader.spot) = Leaves.climbAt(digest_, leaf, count, reader.spot + length);
            if (digest_ != root) revert Leaves.WrongProof();
        }
        return Leaves.wordOf(reader.data, index % Leaves.WORDS);
    }

    /// @notice The word behind the one that was taken last, in the same leaf.
    function behind(Reader memory reader, uint256 index, uint256 more) internal pure returns (uint64) {
        uint256 inside = index % Leaves.WORDS + more;
        if (inside >= Leaves.WORDS) revert Leaves.WrongProof();
        return Leaves.wordOf(reader.data, inside);
    }

    /// @notice What the program says of a lookup.
    function lookup(Programs.Program memory program, Lookups memory tables, uint256 number, Reader memory reader)
        internal
        view
        returns (Record memory record)
    {
        if (number >= tables.lookups) revert Leaves.WrongProof();
        uint256 place = valuesAt(program) + _full(4 * tables.values) + _full(2 * tables.terms) + 2 * number;
        uint64 value = take(reader, program.words, program.length, place);
        record.table = behind(reader, place, 1);
        place = valuesAt(program) + 4 * uint256(value);
        record.bias = take(reader, program.words, program.length, place);
        (record.first, record.terms) = (behind(reader, place, 1), behind(reader, place, 2));
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
        // Behind the published wires there are lookups: of those no file has a word.
        if (asked.wire >= program.inputs) revert Leaves.WrongProof();
        Source memory source;
        uint256 shard = uint256(next(reader));
        _findRow(program, asked, source, shard, reader);
        uint256 place = program.inputAt(shard, asked.wire);
        source.file = take(reader, program.words, program.length, place);
        source.base = behind(reader, place, 1);
        source.length = behind(reader, place, 2) / 8;
        if (asked.word == program.size) return _fileWord(program, asked, source, reader);
        place = _seeds(program, tables) + 2 * (shard * program.inputs + asked.wire);
        source.low = take(reader, program.words, program.length, place);
        source.high = behind(reader, place, 1);
        return _mask(source, asked.word, program.size);
    }

    function _findRow(
        Programs.Program memory program,
        Datum memory asked,
        Source memory source,
        uint256 shard,
        Reader memory reader
    ) private view {
        if (shard >= program.shards) revert Leaves.WrongProof();
        uint256 place = program.shardAt(shard);
        uint64 first = take(reader, program.words, program.length, place);
        if (asked.row < first) revert Leaves.WrongProof();
        source.inside = asked.row - first;
        if (source.inside >= behind(reader, place, 1)) revert Leaves.WrongProof();
    }

    function _fileWord(Programs.Program memory program, Datum memory asked, Source memory source, Reader memory reader)
        private
        view
        returns (uint64)
    {
        bytes32 root = next(reader);
        if (source.file >= program.files) revert Leaves.WrongProof();
        bytes32 found = sha256(abi.encodePacked(uint8(2), root));
        (found, reader.spot) = Leaves.climbAt(found, source.file, program.files, reader.spot);
        if (found != asked.dataRoot) revert Leaves.WrongProof();
        return take(reader, root, source.length, source.base + source.inside);
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

    /// @notice The root of the packing key's points.
    function packingRoot(Programs.Program memory program, Lookups memory tables, Reader memory reader)
        internal
        view
        returns (bytes32)
    {
        uint256 place = _seeds(program, tables) + _full(2 * program.shards * program.inputs);
        take(reader, program.words, program.length, place);
        return Leaves.shownAt(reader.data);
    }

    function _seeds(Programs.Program memory program, Lookups memory tables) private pure returns (uint256) {
        return valuesAt(program) + _full(4 * tables.values) + _full(2 * tables.terms) + _full(2 * tables.lookups);
    }

    function _full(uint256 words) private pure returns (uint256) {
        return (words + Leaves.WORDS - 1) / Leaves.WORDS * Leaves.WORDS;
    }
}
