// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Digits and turns of words: docs/canonical-evaluator.md, sections 2 and 4
library Digits {
    error NoSuchDigit();

    /// @notice Signed digit number `level` (0 the least significant) of a word.
    function digit(uint64 word, uint256 base, uint256 levels, uint256 level) internal pure returns (int64) {
        if (base == 0 || base > 31 || level >= levels || base * levels > 63) revert NoSuchDigit();
        unchecked {
            uint256 moved = uint256(word) + (1 << (63 - base * levels));
            for (uint256 l = 0; l < levels; ++l) {
                moved += 1 << (63 - base * l);
            }
            uint256 field = uint64(moved) >> (64 - base * (levels - level));
            return int64(uint64(field & ((1 << base) - 1))) - int64(uint64(1 << (base - 1)));
        }
    }

    /// @notice A word rounded half up to a multiple of 2^(64 - bits), as a number of such steps.
    function turn(uint64 word, uint256 bits) internal pure returns (uint64) {
        unchecked {
            return ((word >> (63 - bits)) + 1 >> 1) & uint64((1 << bits) - 1);
        }
    }
}
