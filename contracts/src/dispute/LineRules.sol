// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Binary64} from "./Binary64.sol";
import {Digits} from "./Digits.sol";
import {Leaves} from "./Leaves.sol";
import {Line} from "./Line.sol";
import {PackedLine} from "./PackedLine.sol";
import {PackingRules} from "./PackingRules.sol";
import {Points} from "./Points.sol";
import {Prefix} from "./Prefix.sol";
import {Programs} from "./Programs.sol";
import {Tables} from "./Tables.sol";

/// @title What each word of a line follows from: docs/trace.md, sections 8 and 9
/// @notice Rules without state and money. A word reads words before it in the line, and words under roots of the program,
///         each by its leaf, in the order in which they are read here. Proofs are read where they stand in the calldata.
contract LineRules is PackingRules {
    using Line for Line.Shape;
    using PackedLine for PackedLine.Shape;
    using Tables for Tables.Reader;

    /// @notice What a word is and makes of the line.
    /// @param word that follows; of a word that something else says, the one that was said
    /// @param root over the words up to this one, itself included
    /// @param deeper it is a word of another lookup, or of a value that was packed, which has to be looked into
    /// @param lookup which, or the value's number in the result
    /// @param place the word's number in it
    struct Finding {
        uint64 word;
        bytes32 root;
        bool deeper;
        uint64 lookup;
        uint64 place;
    }

    /// @notice What word `index` of a line follows to be, whose words before it are those under `root`. The line ends before
    ///         the word that it is about: those behind add nothing.
    /// @param said the word of another lookup, if it is one
    /// @param proof what the root is of; then the leaves of what is read
    function judge(
        Programs.Program calldata program,
        Tables.Lookups calldata tables,
        Tables.Claim calldata claim,
        bytes32 root,
        uint256 index,
        uint64 said,
        bytes calldata proof
    ) external view returns (Finding memory found) {
        Case memory c = _case(program, tables, claim);
        PackedLine.Shape memory s;
        if (_packs(c)) s = PackedLine.shape(program.size, tables.levels);
        else c.shape = _shape(c);
        if (index >= _end(c, s)) {
            found.root = root;
            return found;
        }
        _begin(c, root, index, proof);
        if (s.size > 0) _inPacked(c, s, index, found);
        else if (index < c.shape.sums) _wire(c, index, found);
        else found.word = _expected(c, index);
        if (found.deeper) found.word = said;
        found.root = Prefix.grown(index, c.peaks, found.word);
    }

    /// @notice What the word follows to be that a line is about: the one behind all that are under `root`. Words of packed
    ///         ciphertexts are rounded.
    /// @param proof as `judge` takes it
    function result(
        Programs.Program calldata program,
        Tables.Lookups calldata tables,
        Tables.Claim calldata claim,
        bytes32 root,
        bytes calldata proof
    ) external view returns (uint64) {
        Case memory c = _case(program, tables, claim);
        if (_packs(c)) return _rounded(c, root, proof);
        c.shape = _shape(c);
        (uint256 index, bool negated) = c.shape.outAt(claim.word);
        _begin(c, root, index, proof);
        return _signed(_expected(c, index), negated);
    }

    /// @notice Word `word` of a published wire in a row.
    function datum(
        Programs.Program calldata program,
        Tables.Lookups calldata tables,
        Tables.Datum calldata asked,
        bytes calldata proof
    ) external view returns (uint64) {
        Tables.Reader memory reader;
        reader.spot = _placeOf(proof);
        return Tables.datum(program, tables, asked, reader);
    }

    function _case(Programs.Program calldata program, Tables.Lookups calldata tables, Tables.Claim calldata claim)
        private
        pure
        returns (Case memory c)
    {
        (c.program, c.tables, c.claim) = (program, tables, claim);
    }

    /// @dev Whether it is about a packed ciphertext.
    function _packs(Case memory c) private pure returns (bool) {
        return c.program.kind == Programs.PACKING && c.claim.lookup > c.tables.lookups;
    }

    function _shape(Case memory c) private pure returns (Line.Shape memory) {
        return Line.shape(c.tables.steps, c.program.size, c.tables.levels, c.tables.most);
    }

    /// @dev The word that the line ends before.
    function _end(Case memory c, PackedLine.Shape memory s) private pure returns (uint256 end) {
        if (s.size > 0) return s.outAt(c.claim.word);
        (end,) = c.shape.outAt(c.claim.word);
    }

    function _inPacked(Case memory c, PackedLine.Shape memory s, uint256 index, Finding memory found) private view {
        if (index < s.bits) (found.deeper, found.lookup, found.place) = _valueOf(c, s, index);
        if (!found.deeper) found.word = _wordOf(c, s, index);
    }

    function _rounded(Case memory c, bytes32 root, bytes calldata proof) private view returns (uint64) {
        PackedLine.Shape memory s = PackedLine.shape(c.program.size, c.tables.levels);
        uint256 index = s.outAt(c.claim.word);
        _begin(c, root, index, proof);
        unchecked {
            return (_wordOf(c, s, index) + uint64(1 << 31)) >> 32;
        }
    }

    /// @dev Words of the wires that the value reads.
    function _wire(Case memory c, uint256 index, Finding memory found) private view {
        (uint256 term, uint256 word) = (index / (c.program.size + 1), index % (c.program.size + 1));
        Tables.Record memory record = _record(c);
        if (term >= record.terms) return;
        (uint64 wire,) = Tables.term(c.program, c.tables, record.first + term, c.reader);
        if (wire < c.program.inputs) {
            Tables.Datum memory asked = Tables.Datum(c.claim.dataRoot, c.claim.row, wire, word);
            found.word = Tables.datum(c.program, c.tables, asked, c.reader);
        } else {
            (found.deeper, found.lookup, found.place) = (true, uint64(wire - c.program.inputs), uint64(word));
        }
    }

    function _record(Case memory c) private view returns (Tables.Record memory) {
        return Tables.lookup(c.program, c.tables, c.claim.lookup, c.reader);
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
            return join == 0 ? _product(c, step, inside) : _join(c, step, join, inside);
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
        if (term == 0) return word == s.size ? _record(c).bias : 0;
        uint64 before = _line(c, s.sums + place - 1);
        Tables.Record memory record = _record(c);
        if (term > record.terms) return before;
        (, uint64 weight) = Tables.term(c.program, c.tables, record.first + term - 1, c.reader);
        uint64 wire = _line(c, (term - 1) * (s.size + 1) + word);
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
        uint256 count = c.tables.switchLevels;
        uint256 row = (word * c.shape.size + place) * count + level;
        uint64 key = c.reader.take(c.tables.keyswitch, c.shape.size * count * (c.shape.steps + 1), row);
        unchecked {
            return uint64(Digits.digit(mask, c.tables.switchBase, count, level)) * key;
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
            uint256 test = _record(c).table * s.size + place % s.size;
            return
                _signed(c.reader.take(c.tables.tests, c.tables.tables * s.size, test), place % (2 * s.size) >= s.size);
        }
        uint256 k = (index - s.small) % (s.lost - s.small);
        if (k > s.steps) return 0;
        unchecked {
            if (index < s.lost) return _line(c, s.switched + k * (s.size + 1) + s.size);
            if (index < s.turns) {
                if (k == 0) return 0;
                uint64 before = _line(c, s.lost + k - 1);
                uint64 word = _line(c, s.small + k - 1);
                return before + word - uint64(uint256(Digits.turn(word, bits)) << (64 - bits));
            }
            uint64 small = _line(c, s.small + k);
            if (c.tables.centred != 0 && k == s.steps) small -= uint64(int64(_line(c, s.lost + k)) >> 1);
            return Digits.turn(small, bits);
        }
    }

    /// @dev A digit of what a step's turn changes, as a double.
    function _digit(Case memory c, uint256 step, uint256 index) private view returns (uint64) {
        Line.Shape memory s = c.shape;
        (uint256 polynomial, uint256 place) = _pointOf(s, 0, index / 2);
        place += index % 2 * s.size / 2;
        (uint256 row, uint256 level) = (polynomial / s.levels, polynomial % s.levels);
        uint256 state = s.stepAt(step) + row * s.size;
        uint256 source = (place + 2 * s.size - _line(c, s.turns + step)) % (2 * s.size);
        uint64 moved = _signed(_line(c, state + source % s.size), source >= s.size);
        unchecked {
            moved -= _line(c, state + place);
        }
        return Binary64.fromInt(Digits.digit(moved, c.tables.base, s.levels, level), 0);
    }

    /// @dev Which polynomial a point of a stage before the products is of, and which of its points.
    function _pointOf(Line.Shape memory s, uint256 stage, uint256 index) private pure returns (uint256, uint256) {
        if (stage == s.depth) return (index % (2 * s.levels), index / (2 * s.levels));
        (uint256 radix, uint256 width) = s.nodes(stage);
        return (index / (s.size / 2), Line.pointAt(radix, width, index % (s.size / 2)));
    }

    function _split(Case memory c, uint256 step, uint256 stage, uint256 index) private view returns (uint64) {
        (uint256 polynomial, uint256 place) = _pointOf(c.shape, stage, index / 2);
        uint256 state = c.shape.stageAt(step, stage - 1) + polynomial * c.shape.size;
        return _splitOf(c, state, stage - 1, place, index);
    }

    function _join(Case memory c, uint256 step, uint256 join, uint256 index) private view returns (uint64) {
        Line.Shape memory s = c.shape;
        (uint256 column, uint256 place) = (index / s.size, index / 2 % (s.size / 2));
        if (join < s.depth) {
            (uint256 radix, uint256 width) = s.nodes(s.depth - 1 - join);
            place = Line.pointAt(radix, width, place);
        }
        uint256 state = s.stageAt(step, s.depth + join) + column * s.size;
        return _joinOf(c, state, s.depth - join, place, index);
    }

    /// @dev The products of a step's points with the key's for a column, in the order in which they are summed.
    function _product(Case memory c, uint256 step, uint256 index) private view returns (uint64) {
        Line.Shape memory s = c.shape;
        (uint256 half, uint256 count) = (s.size / 2, 2 * s.levels);
        (uint256 column, uint256 place) = (index / s.size, index / 2 % half);
        Points.Point[] memory own = _points(c, s.stageAt(step, s.depth) + 2 * place * count, count);
        place = 2 * ((2 * step + column) * half + place) * count;
        Points.Point memory total;
        for (uint256 k = 0; k < count; ++k) {
            Points.Point memory term = Points.times(own[k], _keyPoint(c, place + 2 * k));
            total = k == 0 ? term : Points.plus(total, term);
        }
        return _part(total, index);
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

    /// @dev Word `word` of the value that is looked up: its last total.
    function _input(Case memory c, uint256 word) private view returns (uint64) {
        return _line(c, c.shape.sums + word * (c.shape.terms + 1) + c.shape.terms);
    }
}
