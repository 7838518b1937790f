// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Leaves} from "./Leaves.sol";
import {Line} from "./Line.sol";
import {Points} from "./Points.sol";
import {Prefix} from "./Prefix.sol";
import {Programs} from "./Programs.sol";
import {Tables} from "./Tables.sol";

/// @title What the rules of every line read: words before the one that is judged, and nodes of transforms
abstract contract NodeRules {
    using Tables for Tables.Reader;

    /// @param count words that are there
    /// @param peaks where what their root is of stands in the calldata
    struct Case {
        Programs.Program program;
        Tables.Lookups tables;
        Tables.Claim claim;
        uint256 count;
        uint256 peaks;
        Line.Shape shape;
        Tables.Reader reader;
    }

    /// @param first where its points begin, in the state that they are read from
    /// @param part which of them it is
    struct Node {
        uint256 radix;
        uint256 width;
        uint256 angle;
        uint256 first;
        uint256 part;
    }

    /// @dev Takes what the root over the words before a word is of.
    function _begin(Case memory c, bytes32 root, uint256 count, bytes calldata proof) internal view {
        (c.count, c.peaks) = (count, _placeOf(proof));
        if (Prefix.root(count, c.peaks) != root) revert Leaves.WrongProof();
        c.reader.spot = c.peaks + 32 * Prefix.peaks(count) + 8 * (count % Leaves.WORDS);
    }

    function _placeOf(bytes calldata proof) internal pure returns (uint256 spot) {
        assembly ("memory-safe") {
            spot := proof.offset
        }
    }

    /// @dev A point of a node after its split, whose points are in the polynomial at `state`; its part `index` modulo 2.
    function _splitOf(Case memory c, uint256 state, uint256 number, uint256 place, uint256 index)
        internal
        view
        returns (uint64)
    {
        Node memory node = _node(c.program.size / 2, number, place);
        Points.Point[] memory x = _points(c, state + 2 * node.first, node.radix);
        return _part(Points.split(x, _twiddles(c, node), node.part), index);
    }

    /// @dev The same after its join.
    function _joinOf(Case memory c, uint256 state, uint256 number, uint256 place, uint256 index)
        internal
        view
        returns (uint64)
    {
        Node memory node = _node(c.program.size / 2, number, place);
        Points.Point[] memory y = _points(c, state + 2 * node.first, node.radix);
        return _part(Points.join(y, _twiddles(c, node), node.part), index);
    }

    function _points(Case memory c, uint256 first, uint256 count) internal view returns (Points.Point[] memory x) {
        x = new Points.Point[](count);
        for (uint256 k = 0; k < count; ++k) {
            x[k] = _point(c, first + 2 * k);
        }
    }

    /// @dev Roots of unity stand with their first powers: four points for each angle.
    function _twiddles(Case memory c, Node memory node) internal view returns (Points.Point[] memory t) {
        t = new Points.Point[](node.radix - 1);
        uint256 turn = 2 * c.program.size;
        for (uint256 k = 0; k < t.length; ++k) {
            uint256 place = 8 * (node.angle % turn) + 2 * (k + 1);
            uint64 re = c.reader.take(c.tables.roots, 8 * turn, place);
            t[k] = Points.Point(re, c.reader.behind(place, 1));
        }
    }

    /// @dev The node of level `number` that a point of a polynomial of so many points belongs to.
    function _node(uint256 half, uint256 number, uint256 place) internal pure returns (Node memory node) {
        uint256 count = 0; // of the nodes before it
        (node.width, node.angle) = (half, half);
        for (uint256 level = 0;; ++level) {
            node.radix = level == 0 && Math.log2(half) % 2 == 1 ? 2 : 4;
            if (level == number) break;
            node.width /= node.radix;
            count = place / node.width;
            node.angle = (node.angle + count % node.radix * 4 * half) / node.radix;
        }
        node.angle /= node.radix;
        node.width /= node.radix;
        node.part = place / node.width % node.radix;
        node.first = (count * node.width + place % node.width) * node.radix;
    }

    /// @dev A word before the one that is judged: of the leaf that is not full, or of one under a peak.
    function _line(Case memory c, uint256 index) internal view returns (uint64) {
        if (index >= c.count) revert Leaves.WrongProof();
        uint256 leaf = index / Leaves.WORDS;
        if (leaf == c.count / Leaves.WORDS) {
            c.reader.root = 0;
            c.reader.data = c.peaks + 32 * Prefix.peaks(c.count);
            return Leaves.wordOf(c.reader.data, index % Leaves.WORDS);
        }
        (bytes32 peak, uint256 levels_) = Prefix.peakOf(c.count, c.peaks, leaf);
        return c.reader.take(peak, Leaves.WORDS << levels_, index % (Leaves.WORDS << levels_));
    }

    function _point(Case memory c, uint256 word) internal view returns (Points.Point memory) {
        uint64 re = _line(c, word);
        return Points.Point(re, c.reader.behind(word, 1));
    }

    function _part(Points.Point memory point, uint256 place) internal pure returns (uint64) {
        return place % 2 == 0 ? point.re : point.im;
    }

    function _signed(uint64 word, bool negated) internal pure returns (uint64) {
        unchecked {
            return negated ? uint64(0) - word : word;
        }
    }
}
