// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Binary64} from "./Binary64.sol";
import {Digits} from "./Digits.sol";
import {Leaves} from "./Leaves.sol";
import {Line} from "./Line.sol";
import {Points} from "./Points.sol";
import {Programs} from "./Programs.sol";
import {Tables} from "./Tables.sol";

/// @title What each word of a lookup's line follows from: docs/trace.md, section 8
/// @notice Rules without state and money. A word reads words before it in the line, and words under roots of the program,
///         each by its leaf, in the order in which they are read here.
contract LineRules {
    using Line for Line.Shape;
    using Tables for Tables.Reader;

    enum Finding {
        FALSE,
        FOLLOWS,
        /// It is a word of another lookup, which has to be looked into.
        DEEPER
    }

    struct Case {
        Programs.Program program;
        Tables.Lookups tables;
        Tables.Claim claim;
        Line.Shape shape;
        Tables.Reader reader;
    }

    /// @param first point of the node, of those that stand where the asked one does in its block
    /// @param part which of them it is
    struct Node {
        uint256 radix;
        uint256 width;
        uint256 angle;
        uint256 first;
        uint256 part;
    }

    /// @notice Whether word `index` of the line under a claim's root is what it follows to be, if it is `said`. A word of
    ///         another lookup is named with it.
    function judge(
        Programs.Program memory program,
        Tables.Lookups memory tables,
        Tables.Claim memory claim,
        uint256 index,
        uint64 said,
        Tables.Proof memory proof
    ) external view returns (Finding, uint64 lookup, uint64 word) {
        Case memory c;
        (c.program, c.tables, c.claim, c.reader.proof) = (program, tables, claim, proof);
        c.shape = Line.shape(tables.steps, program.size, tables.levels, claim.terms);
        if (index < c.shape.sums) {
            return _wire(c, index, said);
        }
        return (_is(said, _expected(c, index)), 0, 0);
    }

    /// @notice Whether a word of a published wire is `said`; `proof` as `judge` takes it.
    function isDatum(
        Programs.Program memory program,
        Tables.Lookups memory tables,
        Tables.Datum memory asked,
        uint64 said,
        Tables.Proof memory proof
    ) external view returns (bool) {
        Tables.Reader memory reader;
        reader.proof = proof;
        return Tables.datum(program, tables, asked, reader) == said;
    }

    /// @dev Words of the wires that the value reads.
    function _wire(Case memory c, uint256 index, uint64 said) private view returns (Finding, uint64, uint64) {
        (uint256 term, uint256 word) = (index / (c.program.size + 1), index % (c.program.size + 1));
        if (term >= c.claim.terms) return (_is(said, 0), 0, 0);
        (uint64 wire,) = Tables.term(c.program, c.tables, c.claim.first + term, c.reader);
        if (wire >= c.program.inputs) return (Finding.DEEPER, uint64(wire - c.program.inputs), uint64(word));
        Tables.Datum memory asked = Tables.Datum(c.claim.dataRoot, c.claim.row, wire, word);
        return (_is(said, Tables.datum(c.program, c.tables, asked, c.reader)), 0, 0);
    }

    function _is(uint64 said, uint64 expected) private pure returns (Finding) {
        return said == expected ? Finding.FOLLOWS : Finding.FALSE;
    }

    function _expected(Case memory c, uint256 index) private view returns (uint64) {
        Line.Shape memory s = c.shape;
        if (index < s.switched) return _sum(c, index - s.sums);
        if (index < s.small) return _switched(c, index - s.switched);
        if (index < s.first) return _small(c, index);
        uint256 step = (index - s.first) / s.slot;
        uint256 inside = (index - s.first) % s.slot;
        if (step >= s.steps || inside >= s.last + 4 * s.size) return 0;
        if (inside < (s.depth + 1) * s.stage) {
            uint256 stage = inside / s.stage;
            inside %= s.stage;
            return stage == 0 ? _digit(c, step, inside) : _split(c, step, stage, inside);
        }
        if (inside < s.last) {
            inside -= (s.depth + 1) * s.stage;
            uint256 join = inside / (2 * s.size);
            inside %= 2 * s.size;
            return join == 0 ? _product(c, step, inside) : _join(c, step, s.depth + 1 + join, inside);
        }
        inside -= s.last;
        if (inside < 2 * s.size) return _added(c, step, inside);
        inside -= 2 * s.size;
        uint64 before = _line(c, s.stepAt(step) + inside);
        unchecked {
            return before + _line(c, s.first + step * s.slot + s.last + inside);
        }
    }

    /// @dev Totals of the value that is looked up, word by word.
    function _sum(Case memory c, uint256 place) private view returns (uint64) {
        Line.Shape memory s = c.shape;
        (uint256 word, uint256 term) = (place / (s.terms + 1), place % (s.terms + 1));
        if (word > s.size) return 0;
        if (term == 0) return word == s.size ? c.claim.bias : 0;
        uint64 before = _line(c, s.sums + place - 1);
        uint64 wire = _line(c, (term - 1) * (s.size + 1) + word);
        (, uint64 weight) = Tables.term(c.program, c.tables, c.claim.first + term - 1, c.reader);
        unchecked {
            return before + weight * wire;
        }
    }

    /// @dev Totals of the keyswitch, word by word.
    function _switched(Case memory c, uint256 place) private view returns (uint64) {
        Line.Shape memory s = c.shape;
        (uint256 word, uint256 k) = (place / (s.size + 1), place % (s.size + 1));
        if (word > s.steps) return 0;
        if (k == 0) return word == s.steps ? _input(c, s.size) : 0;
        uint64 total = _line(c, s.switched + place - 1);
        uint64 mask = _input(c, k - 1);
        for (uint256 level = 0; level < c.tables.switchLevels; ++level) {
            unchecked {
                total -= _keyed(c, mask, k - 1, level, word);
            }
        }
        return total;
    }

    /// @dev A digit of a mask word times its key row's word.
    function _keyed(Case memory c, uint64 mask, uint256 place, uint256 level, uint256 word)
        private
        view
        returns (uint64)
    {
        (uint256 levels, uint256 width) = (c.tables.switchLevels, c.shape.steps + 1);
        uint256 row = (place * levels + level) * width + word;
        uint64 key = c.reader.take(c.tables.keyswitch, c.shape.size * levels * width, row);
        unchecked {
            return uint64(Digits.digit(mask, c.tables.switchBase, levels, level)) * key;
        }
    }

    /// @dev The keyswitch's result, what rounding takes of it, its turns, and what the rotation starts from.
    function _small(Case memory c, uint256 index) private view returns (uint64) {
        Line.Shape memory s = c.shape;
        uint256 bits = Math.log2(2 * s.size);
        if (index >= s.start) {
            uint256 place = index - s.start;
            if (place < s.size || place >= 2 * s.size) return 0;
            place += _line(c, s.turns + s.steps) - s.size;
            uint64 test =
                c.reader.take(c.tables.tests, c.tables.tables * s.size, c.claim.table * s.size + place % s.size);
            return _signed(test, place % (2 * s.size) >= s.size);
        }
        uint256 k = (index - s.small) % (s.lost - s.small);
        if (k > s.steps) return 0;
        unchecked {
            if (index < s.lost) return _line(c, s.switched + k * (s.size + 1) + s.size);
            if (index < s.turns) {
                if (k == 0) return 0;
                uint64 word = _line(c, s.small + k - 1);
                return _line(c, s.lost + k - 1) + word - uint64(uint256(Digits.turn(word, bits)) << (64 - bits));
            }
            uint64 small = _line(c, s.small + k);
            if (c.tables.centred != 0 && k == s.steps) small -= uint64(int64(_line(c, s.lost + k)) >> 1);
            return Digits.turn(small, bits);
        }
    }

    /// @dev A digit of what a step's turn changes, as a double.
    function _digit(Case memory c, uint256 step, uint256 place) private view returns (uint64) {
        Line.Shape memory s = c.shape;
        uint256 half = s.size / 2;
        uint256 part = place % 2;
        uint256 polynomial = place / 2 / half;
        place = place / 2 % half + part * half;
        (uint256 row, uint256 level) = (polynomial / s.levels, polynomial % s.levels);
        uint256 state = s.stepAt(step) + row * s.size;
        uint256 source = (place + 2 * s.size - _line(c, s.turns + step)) % (2 * s.size);
        uint64 moved = _signed(_line(c, state + source % s.size), source >= s.size);
        unchecked {
            moved -= _line(c, state + place);
        }
        return Binary64.fromInt(Digits.digit(moved, c.tables.base, s.levels, level), 0);
    }

    function _split(Case memory c, uint256 step, uint256 stage, uint256 place) private view returns (uint64) {
        Node memory node = _node(c.shape.size / 2, stage - 1, place / 2);
        Points.Point[] memory x = _points(c, c.shape.stageAt(step, stage - 1), node);
        return _part(Points.split(x, _twiddles(c, node), node.part), place);
    }

    function _join(Case memory c, uint256 step, uint256 stage, uint256 place) private view returns (uint64) {
        Node memory node = _node(c.shape.size / 2, 2 * c.shape.depth + 1 - stage, place / 2);
        Points.Point[] memory x = _points(c, c.shape.stageAt(step, stage - 1), node);
        return _part(Points.join(x, _twiddles(c, node), node.part), place);
    }

    function _points(Case memory c, uint256 state, Node memory node) private view returns (Points.Point[] memory x) {
        x = new Points.Point[](node.radix);
        for (uint256 k = 0; k < x.length; ++k) {
            x[k] = _point(c, state, node.first + k * node.width);
        }
    }

    function _twiddles(Case memory c, Node memory node) private view returns (Points.Point[] memory t) {
        t = new Points.Point[](node.radix - 1);
        uint256 turn = 2 * c.shape.size;
        for (uint256 k = 0; k < t.length; ++k) {
            uint256 place = 2 * (node.angle * (k + 1) % turn);
            uint64 re = c.reader.take(c.tables.roots, 2 * turn, place);
            t[k] = Points.Point(re, c.reader.behind(place, 1));
        }
    }

    /// @dev The node of level `number` that a point of polynomials of so many points belongs to.
    function _node(uint256 half, uint256 number, uint256 point) private pure returns (Node memory node) {
        uint256 place = point % half;
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
        node.first = point - place + count * node.radix * node.width + place % node.width;
    }

    /// @dev The products of a step's points with the key's, in the order in which they are summed.
    function _product(Case memory c, uint256 step, uint256 place) private view returns (uint64) {
        Points.Point memory total;
        for (uint256 k = 0; k < 2 * c.shape.levels; ++k) {
            Points.Point memory term = _term(c, step, k, place / 2);
            total = k == 0 ? term : Points.plus(total, term);
        }
        return _part(total, place);
    }

    /// @dev The product of polynomial number `k` of the digits with the key's for a column, at one point.
    function _term(Case memory c, uint256 step, uint256 k, uint256 place) private view returns (Points.Point memory) {
        uint256 half = c.shape.size / 2;
        Points.Point memory own = _point(c, c.shape.stageAt(step, c.shape.depth), k * half + place % half);
        uint256 levels = c.shape.levels;
        uint256 key = ((step * levels + k % levels) * 2 + k / levels) * 2 + place / half;
        return Points.times(own, _keyPoint(c, 2 * (key * half + place % half)));
    }

    function _keyPoint(Case memory c, uint256 word) private view returns (Points.Point memory) {
        uint256 words = 4 * c.shape.steps * c.shape.levels * c.shape.size;
        uint64 re = c.reader.take(c.tables.points, words, word);
        return Points.Point(re, c.reader.behind(word, 1));
    }

    /// @dev A word to be added: the double of its coefficient, in turns.
    function _added(Case memory c, uint256 step, uint256 place) private view returns (uint64) {
        Line.Shape memory s = c.shape;
        uint256 half = s.size / 2;
        (uint256 column, uint256 coefficient) = (place / s.size, place % s.size);
        uint256 word = 2 * (column * half + coefficient % half) + coefficient / half;
        return Binary64.toWord(_line(c, s.stageAt(step, 2 * s.depth + 1) + word));
    }

    function _line(Case memory c, uint256 index) private view returns (uint64) {
        return c.reader.take(c.claim.root, Leaves.WORDS << c.shape.tree, index);
    }

    /// @dev Word `word` of the value that is looked up: its last total.
    function _input(Case memory c, uint256 word) private view returns (uint64) {
        return _line(c, c.shape.sums + word * (c.shape.terms + 1) + c.shape.terms);
    }

    function _point(Case memory c, uint256 state, uint256 point) private view returns (Points.Point memory) {
        uint64 re = _line(c, state + 2 * point);
        return Points.Point(re, c.reader.behind(state + 2 * point, 1));
    }

    function _part(Points.Point memory point, uint256 place) private pure returns (uint64) {
        return place % 2 == 0 ? point.re : point.im;
    }

    function _signed(uint64 word, bool negated) private pure returns (uint64) {
        unchecked {
            return negated ? uint64(0) - word : word;
        }
    }
}
