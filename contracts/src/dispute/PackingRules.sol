// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Binary64} from "./Binary64.sol";
import {Digits} from "./Digits.sol";
import {Line} from "./Line.sol";
import {NodeRules} from "./NodeRules.sol";
import {PackedLine} from "./PackedLine.sol";
import {Points} from "./Points.sol";
import {Tables} from "./Tables.sol";

/// @title What each word of a packed ciphertext's line follows from: docs/trace.md, section 9
abstract contract PackingRules is NodeRules {
    using PackedLine for PackedLine.Shape;
    using Tables for Tables.Reader;

    /// @dev The value whose word a word of the line is, as the result counts them; none where it is zero or another's.
    function _valueOf(Case memory c, PackedLine.Shape memory s, uint256 index)
        internal
        pure
        returns (bool there, uint64 value, uint64 word)
    {
        uint256 end = c.claim.lookup - c.tables.lookups;
        uint256 count = (end - 1) % s.size + 1;
        uint256 number = index / (s.size + 1);
        if (number >= count) return (false, 0, 0);
        return (true, uint64(end - count + number), uint64(index % (s.size + 1)));
    }

    /// @dev What a word behind the values follows to be.
    function _wordOf(Case memory c, PackedLine.Shape memory s, uint256 index) internal view returns (uint64) {
        if (index < s.bits) return 0;
        if (index < s.totals) return _ofBit(c, s, (index - s.bits) / s.slot, (index - s.bits) % s.slot);
        (uint256 count, uint256 start) = (2 * s.size, index < s.joins ? s.totals : s.joins);
        (uint256 part, uint256 place) = ((index - start) / count, (index - start) % count);
        if (index < s.joins) return _total(c, s, part, place);
        return part < s.depth ? _joined(c, s, part, place) : part == s.depth ? _out(c, s, place) : 0;
    }

    /// @dev Digits of the values' words of one bit, their splits, and what they add.
    function _ofBit(Case memory c, PackedLine.Shape memory s, uint256 bit, uint256 inside)
        private
        view
        returns (uint64)
    {
        uint256 stage = inside / s.stage;
        if (stage > s.depth) return _subtotal(c, s, bit, inside - (s.depth + 1) * s.stage);
        inside %= s.stage;
        (uint256 level, uint256 place) = _levelOf(s, stage, inside / 2);
        if (stage == 0) {
            uint64 word = _line(c, s.valueAt(place + inside % 2 * s.size / 2, bit));
            return Binary64.fromInt(Digits.digit(word, c.tables.base, s.levels, level), 0);
        }
        return _splitOf(c, s.stageAt(bit, stage - 1) + level * s.size, stage - 1, place, inside);
    }

    /// @dev Which level's digits a point of a stage is of, and which of its points.
    function _levelOf(PackedLine.Shape memory s, uint256 stage, uint256 index)
        private
        pure
        returns (uint256 level, uint256 place)
    {
        if (stage == s.depth) return (index % s.levels, index / s.levels);
        (uint256 radix, uint256 width) = Line.nodesOf(s.size, stage);
        return (index / (s.size / 2), Line.pointAt(radix, width, index % (s.size / 2)));
    }

    /// @dev The products of a bit's points with the key's for a column, added to those of the bits before in its group.
    function _subtotal(Case memory c, PackedLine.Shape memory s, uint256 bit, uint256 place)
        private
        view
        returns (uint64 total)
    {
        if (place >= 2 * s.size) return 0;
        (uint256 column, uint256 point) = (place / s.size, place / 2 % (s.size / 2));
        if (bit % PackedLine.SUBTOTAL != 0) total = _line(c, s.subtotalAt(bit - 1) + place);
        Points.Point[] memory own = _points(c, s.stageAt(bit, s.depth) + 2 * point * s.levels, s.levels);
        bytes32 root = Tables.packingRoot(c.program, c.tables, c.reader);
        point = 2 * ((2 * bit + column) * s.size / 2 + point) * s.levels;
        for (uint256 k = 0; k < own.length; ++k) {
            total = Binary64.add(total, _part(Points.times(own[k], _packingPoint(c, s, root, point + 2 * k)), place));
        }
    }

    function _packingPoint(Case memory c, PackedLine.Shape memory s, bytes32 root, uint256 word)
        private
        view
        returns (Points.Point memory)
    {
        uint64 re = c.reader.take(root, 2 * s.levels * s.size * s.size, word);
        return Points.Point(re, c.reader.behind(word, 1));
    }

    /// @dev Sums of whole groups.
    function _total(Case memory c, PackedLine.Shape memory s, uint256 group, uint256 place)
        private
        view
        returns (uint64 total)
    {
        if (group >= s.size / PackedLine.SUBTOTAL) return 0;
        if (group > 0) total = _line(c, s.totalAt(group - 1) + place);
        return Binary64.add(total, _line(c, s.subtotalAt((group + 1) * PackedLine.SUBTOTAL - 1) + place));
    }

    /// @dev Points after `before` + 1 joins.
    function _joined(Case memory c, PackedLine.Shape memory s, uint256 before, uint256 place)
        private
        view
        returns (uint64)
    {
        (uint256 column, uint256 point) = (place / s.size, place / 2 % (s.size / 2));
        uint256 level = s.depth - 1 - before;
        if (level > 0) {
            (uint256 radix, uint256 width) = Line.nodesOf(s.size, level - 1);
            point = Line.pointAt(radix, width, point);
        }
        return _joinOf(c, s.joinAt(before) + column * s.size, level, point, place);
    }

    /// @dev A word of the ciphertext, not rounded: what is summed is taken from the values' bodies, or from zero.
    function _out(Case memory c, PackedLine.Shape memory s, uint256 place) private view returns (uint64 word) {
        (uint256 half, uint256 coefficient) = (s.size / 2, place % s.size);
        uint256 point = place / s.size * half + coefficient % half;
        uint64 sum = Binary64.toWord(_line(c, s.joinAt(s.depth) + 2 * point + coefficient / half));
        if (place >= s.size) word = _line(c, s.valueAt(coefficient, s.size));
        unchecked {
            return word - sum;
        }
    }
}
