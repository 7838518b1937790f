// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Leaves} from "./Leaves.sol";

/// @title What a dispute reads of a circuit and a dataset: docs/trace.md, section 7
/// @notice A program is a header and words under a root. Its digest is the SHA-256 of the header's fields, 32 bytes each.
library Programs {
    /// @param kind 0: one linear layer; 1: the same, summed over blocks of rows; 2: with lookups; 3: the same, on a dataset
    ///        whose key packs results
    /// @param evaluator 1 or 2, as in darkroom-canonical-1
    /// @param size N
    /// @param width of the last layer
    /// @param terms of all outputs together
    /// @param inputs that the circuit reads, of each shard
    /// @param files under the data root
    /// @param block rows that a value sums over; 1 without sums
    /// @param length words of all sections
    /// @param words their root
    /// @param more digest of what circuits with lookups have besides; zero for others
    struct Program {
        uint256 kind;
        uint256 evaluator;
        uint256 size;
        uint256 width;
        uint256 outputs;
        uint256 terms;
        uint256 inputs;
        uint256 shards;
        uint256 files;
        uint256 block;
        uint256 length;
        bytes32 words;
        bytes32 more;
    }

    struct Output {
        uint64 bias;
        uint64 first;
        uint64 terms;
    }

    struct Input {
        uint64 file;
        uint64 base;
        uint64 length;
    }

    uint256 internal constant LINEAR = 0;
    uint256 internal constant ROW_SUMS = 1;
    uint256 internal constant LOOKUPS = 2;
    uint256 internal constant PACKING = 3;

    function digest(Program memory program) internal pure returns (bytes32) {
        return sha256(abi.encode(program));
    }

    /// @notice Values that a job on so many rows has: blocks or rows, times outputs.
    function resultRows(Program memory program, uint256 rows) internal pure returns (uint256) {
        return (rows + program.block - 1) / program.block;
    }

    function output(Program memory program, uint256 number, Leaves.Leaf memory leaf)
        internal
        view
        returns (Output memory)
    {
        if (number >= program.outputs) revert Leaves.WrongProof();
        (uint64 bias, uint64 first, uint64 terms,) = _record(program, 4 * number, leaf);
        return Output(bias, first, terms);
    }

    /// @notice The wire and the weight, in the ciphertext's scale, of a term.
    function term(Program memory program, uint256 number, Leaves.Leaf memory leaf)
        internal
        view
        returns (uint64 wire, uint64 weight)
    {
        if (number >= program.terms) revert Leaves.WrongProof();
        uint256 place = _full(4 * program.outputs) + 2 * number;
        wire = _word(program, place, leaf);
        weight = Leaves.wordAt(leaf.data, place % Leaves.WORDS + 1);
    }

    /// @notice Where the words of a wire are in a shard.
    function input(Program memory program, uint256 shard, uint256 wire, Leaves.Leaf memory leaf)
        internal
        view
        returns (Input memory)
    {
        if (shard >= program.shards || wire >= program.inputs) revert Leaves.WrongProof();
        uint256 place = inputAt(program, shard, wire);
        (uint64 file, uint64 base, uint64 length,) = _record(program, place, leaf);
        return Input(file, base, length);
    }

    /// @notice The first row of a shard, and how many it has.
    function shardRows(Program memory program, uint256 number, Leaves.Leaf memory leaf)
        internal
        view
        returns (uint64 first, uint64 rows)
    {
        if (number >= program.shards) revert Leaves.WrongProof();
        uint256 place = shardAt(program, number);
        first = _word(program, place, leaf);
        rows = Leaves.wordAt(leaf.data, place % Leaves.WORDS + 1);
    }

    function _record(Program memory program, uint256 place, Leaves.Leaf memory leaf)
        private
        view
        returns (uint64, uint64, uint64, uint64)
    {
        uint64 first = _word(program, place, leaf);
        uint256 inside = place % Leaves.WORDS;
        bytes memory data = leaf.data;
        return
            (first, Leaves.wordAt(data, inside + 1), Leaves.wordAt(data, inside + 2), Leaves.wordAt(data, inside + 3));
    }

    function _word(Program memory program, uint256 place, Leaves.Leaf memory leaf) private view returns (uint64) {
        return Leaves.word(program.words, 8 * program.length, place, leaf);
    }

    /// @notice Place of a wire's record in a shard.
    function inputAt(Program memory program, uint256 shard, uint256 wire) internal pure returns (uint256) {
        return _full(4 * program.outputs) + _full(2 * program.terms) + 4 * (shard * program.inputs + wire);
    }

    /// @notice Place of a shard's record.
    function shardAt(Program memory program, uint256 shard) internal pure returns (uint256) {
        return inputAt(program, 0, 0) + _full(4 * program.shards * program.inputs) + 2 * shard;
    }

    /// @dev Sections begin at a leaf, so that no record lies in two.
    function _full(uint256 words) private pure returns (uint256) {
        return (words + Leaves.WORDS - 1) / Leaves.WORDS * Leaves.WORDS;
    }
}
