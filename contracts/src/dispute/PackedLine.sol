// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Line} from "./Line.sol";

/// @title Where the words of one packed ciphertext stand in a line: docs/trace.md, section 9
library PackedLine {
    /// @notice Bits of the packing key in one subtotal.
    uint256 internal constant SUBTOTAL = 32;

    /// @param size N
    /// @param levels of the packing gadget
    /// @param depth splits of a transform
    /// @param stage words of a stage of one bit
    /// @param slot words of a slot
    /// @param bits where the first bit's slot begins, behind the values
    struct Shape {
        uint256 size;
        uint256 levels;
        uint256 depth;
        uint256 stage;
        uint256 slot;
        uint256 bits;
        uint256 totals;
        uint256 joins;
    }

    function shape(uint256 size, uint256 levels) internal pure returns (Shape memory s) {
        (s.size, s.levels, s.depth, s.stage) = (size, levels, Math.log2(size) / 2, levels * size);
        s.slot = Line.slotOf((s.depth + 1) * s.stage + 2 * size);
        s.bits = Line.full(size * (size + 1), s.slot);
        s.totals = s.bits + size * s.slot;
        s.joins = s.totals + Line.full(size / SUBTOTAL * 2 * size, s.slot);
    }

    /// @notice The first word after so many splits of a bit's digits; behind the last one, of its subtotals.
    function stageAt(Shape memory s, uint256 bit, uint256 stage) internal pure returns (uint256) {
        return s.bits + bit * s.slot + stage * s.stage;
    }

    /// @notice The first word of the subtotals with a bit: column, point, part.
    function subtotalAt(Shape memory s, uint256 bit) internal pure returns (uint256) {
        return stageAt(s, bit, s.depth + 1);
    }

    /// @notice The first word of the total with a group of bits.
    function totalAt(Shape memory s, uint256 group) internal pure returns (uint256) {
        return s.totals + group * 2 * s.size;
    }

    /// @notice The first word after so many joins of both columns; without any, of the last total.
    function joinAt(Shape memory s, uint256 joins) internal pure returns (uint256) {
        return joins == 0 ? totalAt(s, s.size / SUBTOTAL - 1) : s.joins + (joins - 1) * 2 * s.size;
    }

    /// @notice A word of the ciphertext: its mask, then its body.
    function outAt(Shape memory s, uint256 word) internal pure returns (uint256) {
        return joinAt(s, s.depth + 1) + word;
    }

    /// @notice Where word `word` of a value that is packed stands.
    function valueAt(Shape memory s, uint256 value, uint256 word) internal pure returns (uint256) {
        return value * (s.size + 1) + word;
    }
}
