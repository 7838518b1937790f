// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Leaves} from "./Leaves.sol";

/// @title Where the words of one lookup stand in a line: docs/trace.md, section 8
/// @notice Words that one word follows from stand side by side, so that few leaves show them: points of a stage in the
///         order in which the next one reads them.
library Line {
    /// @param size N
    /// @param levels of the bootstrap gadget
    /// @param depth splits of a transform
    /// @param terms room for those of the value that is looked up: the most that any of the program has
    /// @param stage words of a stage before the products
    /// @param last in a step's slot, the words to be added
    /// @param slot words of a slot
    struct Shape {
        uint256 steps;
        uint256 size;
        uint256 levels;
        uint256 depth;
        uint256 terms;
        uint256 stage;
        uint256 last;
        uint256 slot;
        uint256 sums;
        uint256 switched;
        uint256 small;
        uint256 lost;
        uint256 turns;
        uint256 start;
        uint256 first;
    }

    function shape(uint256 steps, uint256 size, uint256 levels, uint256 terms) internal pure returns (Shape memory s) {
        (s.steps, s.size, s.levels, s.terms) = (steps, size, levels, terms);
        // The root splits in two where log2(H) is odd, else in four, as all below do.
        s.depth = Math.log2(size) / 2;
        s.stage = 2 * levels * size;
        s.last = (s.depth + 1) * (s.stage + 2 * size);
        uint256 part = full(steps + 1, Leaves.WORDS);
        s.slot = slotOf(Math.max(s.last + 4 * size, 3 * part + 2 * size));
        s.sums = full(terms * (size + 1), s.slot);
        s.switched = s.sums + full((size + 1) * (terms + 1), s.slot);
        s.small = s.switched + full((steps + 1) * (size + 1), s.slot);
        s.lost = s.small + part;
        s.turns = s.lost + part;
        s.start = s.turns + part;
        s.first = s.small + s.slot;
    }

    /// @notice The first word of step/i.
    function stepAt(Shape memory s, uint256 step) internal pure returns (uint256) {
        return step == 0 ? s.start : s.first + (step - 1) * s.slot + s.last + 2 * s.size;
    }

    /// @notice The first word of step/i/stage/s.
    function stageAt(Shape memory s, uint256 step, uint256 stage) internal pure returns (uint256) {
        uint256 whole = Math.min(stage, s.depth + 1);
        return s.first + step * s.slot + whole * s.stage + (stage - whole) * 2 * s.size;
    }

    /// @notice The word of the last step that a word of the result is, and whether it is negated.
    function outAt(Shape memory s, uint256 word) internal pure returns (uint256 place, bool negated) {
        uint256 last = stepAt(s, s.steps);
        if (word == 0 || word == s.size) return (last + word, false);
        return (last + s.size - word, true);
    }

    /// @notice The radix of a transform's nodes at a level, and how far apart a node's points are. Behind the last level
    ///         points are nodes by themselves.
    function nodes(Shape memory s, uint256 level) internal pure returns (uint256 radix, uint256 width) {
        return nodesOf(s.size, level);
    }

    /// @notice The same of polynomials of `size` coefficients.
    function nodesOf(uint256 size, uint256 level) internal pure returns (uint256 radix, uint256 width) {
        width = size / 2;
        for (uint256 spot = 0; spot <= level; ++spot) {
            if (width == 1) return (1, 1);
            radix = spot == 0 && Math.log2(width) % 2 == 1 ? 2 : 4;
            width /= radix;
        }
    }

    /// @notice Which point of a polynomial stands at a place, where each node's points stand together.
    function pointAt(uint256 radix, uint256 width, uint256 place) internal pure returns (uint256) {
        uint256 inside = place % (radix * width);
        return place - inside + inside % radix * width + inside / radix;
    }

    /// @notice Words of a slot that holds so many: some of the eighths of the power of two of leaves that would hold them.
    function slotOf(uint256 most) internal pure returns (uint256) {
        return full(most, Leaves.WORDS << Math.max(3, _ceilLog2(full(most, Leaves.WORDS) / Leaves.WORDS)) - 3);
    }

    /// @notice So many words, filled up to whole units.
    function full(uint256 words, uint256 unit) internal pure returns (uint256) {
        return (words + unit - 1) / unit * unit;
    }

    function _ceilLog2(uint256 x) private pure returns (uint256) {
        return x < 2 ? 0 : Math.log2(x - 1) + 1;
    }
}
