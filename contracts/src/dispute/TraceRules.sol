// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Binary64} from "./Binary64.sol";
import {Digits} from "./Digits.sol";
import {Leaves} from "./Leaves.sol";
import {Points} from "./Points.sol";

/// @title What one word of a trace follows from: docs/trace.md, section 5
/// @notice The rules that judge the last step of a dispute. They hold no state and no money, so that anybody can try
///         them: what they say is what `fhe/engine/trace/referee.py` says.
contract TraceRules {
    /// @notice A linear value's running total after one more term.
    function addTerm(uint64 total, int64 weight, uint8 shift, uint64 word) external pure returns (uint64) {
        unchecked {
            return total + (uint64(weight) << shift) * word;
        }
    }

    /// @notice Signed digit number `level` (0 the least significant) of a word, as a double.
    function digit(uint64 word, uint8 base, uint8 levels, uint8 level) external pure returns (uint64) {
        return Binary64.fromInt(Digits.digit(word, base, levels, level), 0);
    }

    /// @notice A word rounded half up to a multiple of 2^(64 - bits), as a number of such steps.
    function turn(uint64 word, uint8 bits) external pure returns (uint64) {
        return Digits.turn(word, bits);
    }

    /// @notice A word of a key polynomial of 2^(logHalf + 1) coefficients, as its scaled double.
    function keyPoint(uint64 word, uint8 logHalf) external pure returns (uint64) {
        return Binary64.fromInt(int64(word), -64 - int256(uint256(logHalf)));
    }

    /// @notice Point `place` of a node after its split.
    function split(Points.Point[] memory x, Points.Point[] memory t, uint256 place)
        external
        pure
        returns (Points.Point memory)
    {
        return Points.split(x, t, place);
    }

    /// @notice Point `place` of a node after its join.
    function join(Points.Point[] memory y, Points.Point[] memory t, uint256 place)
        external
        pure
        returns (Points.Point memory)
    {
        return Points.join(y, t, place);
    }

    /// @notice The sum of the points' products, in this order, each rounded before it is added.
    function product(Points.Point[] memory x, Points.Point[] memory key)
        external
        pure
        returns (Points.Point memory total)
    {
        total = Points.times(x[0], key[0]);
        for (uint256 i = 1; i < x.length; ++i) {
            total = Points.plus(total, Points.times(x[i], key[i]));
        }
    }

    /// @notice The word of a double that counts turns.
    function toWord(uint64 turns) external pure returns (uint64) {
        return Binary64.toWord(turns);
    }

    /// @notice Sums of pairs, so that anybody can hold the arithmetic against a processor.
    function sums(uint64[] calldata a, uint64[] calldata b) external pure returns (uint64[] memory found) {
        found = new uint64[](a.length);
        for (uint256 i = 0; i < a.length; ++i) {
            found[i] = Binary64.add(a[i], b[i]);
        }
    }

    /// @notice Products of pairs, as `sums`.
    function products(uint64[] calldata a, uint64[] calldata b) external pure returns (uint64[] memory found) {
        found = new uint64[](a.length);
        for (uint256 i = 0; i < a.length; ++i) {
            found[i] = Binary64.mul(a[i], b[i]);
        }
    }

    /// @notice Whether a leaf of 128 bytes stands under a root.
    function holds(bytes32 root, bytes memory leaf, uint256 index, uint256 length, bytes32[] memory siblings)
        external
        view
        returns (bool)
    {
        return Leaves.holds(root, leaf, index, length, siblings);
    }
}
