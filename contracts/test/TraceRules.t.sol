// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Digits} from "../src/dispute/Digits.sol";
import {Binary64} from "../src/dispute/Binary64.sol";
import {Points} from "../src/dispute/Points.sol";
import {TraceRules} from "../src/dispute/TraceRules.sol";
import {VM_ADDRESS, Vm} from "./Vm.sol";

/// @title The rules of a trace: known answers, laws of arithmetic, and what is refused
contract TraceRulesTest {
    Vm internal constant vm = Vm(VM_ADDRESS);
    uint64 internal constant ONE = 0x3ff0000000000000;
    uint64 internal constant SIGN = 0x8000000000000000;
    uint64 internal constant LEAST = 1; // 2^-1074
    uint64 internal constant NORMAL = 0x0010000000000000; // 2^-1022
    uint64 internal constant MOST = 0x7fefffffffffffff;
    uint64 internal constant INFINITY = 0x7ff0000000000000;

    TraceRules internal rules = new TraceRules();

    function _pair(uint64 a, uint64 b) internal view returns (uint64 sum, uint64 product) {
        (uint64[] memory left, uint64[] memory right) = (new uint64[](1), new uint64[](1));
        (left[0], right[0]) = (a, b);
        return (rules.sums(left, right)[0], rules.products(left, right)[0]);
    }

    function _sum(uint64 a, uint64 b) internal view returns (uint64 sum) {
        (sum,) = _pair(a, b);
    }

    function _product(uint64 a, uint64 b) internal view returns (uint64 product) {
        (, product) = _pair(a, b);
    }

    /// @dev Half of all bit patterns at random are far apart: these are near each other and near the ends.
    function _finite(uint64 a) internal pure returns (uint64) {
        return (a >> 52) & 0x7ff == 0x7ff ? a ^ 0x4000000000000000 : a;
    }

    function _moderate(uint64 a) internal pure returns (uint64) {
        return (a & 0x800fffffffffffff) | ((0x3e0 + ((a >> 52) & 0x3f)) << 52);
    }

    function test_zeros_have_signs() external view {
        vm.assertEq(_sum(0, SIGN), 0);
        vm.assertEq(_sum(SIGN, SIGN), SIGN);
        vm.assertEq(_sum(ONE, ONE | SIGN), 0);
        vm.assertEq(_sum(0, ONE), ONE);
        vm.assertEq(_sum(ONE, SIGN), ONE);
        vm.assertEq(_product(SIGN, ONE), SIGN);
        vm.assertEq(_product(SIGN, SIGN), 0);
    }

    function test_ties_go_to_even() external view {
        vm.assertEq(_sum(ONE, 0x3ca0000000000000), ONE); // 1 + 2^-53
        vm.assertEq(_sum(ONE + 1, 0x3ca0000000000000), ONE + 2); // 1 + 2^-52 + 2^-53
        vm.assertEq(_sum(ONE, 0x3ca0000000000001), ONE + 1); // more than half
        vm.assertEq(_sum(0x433fffffffffffff, ONE), 0x4340000000000000); // a mantissa that overflows
    }

    function test_what_is_far_away_only_decides_ties() external view {
        vm.assertEq(_sum(ONE, LEAST), ONE);
        vm.assertEq(_sum(LEAST | SIGN, ONE), ONE);
        vm.assertEq(_sum(ONE | SIGN, LEAST), ONE | SIGN);
        vm.assertEq(_sum(ONE, ONE >> 1), ONE); // 2^-511 or so
    }

    function test_subnormals() external view {
        vm.assertEq(_sum(LEAST, LEAST), 2);
        vm.assertEq(_sum(NORMAL, LEAST | SIGN), NORMAL - 1);
        vm.assertEq(_sum(NORMAL - 1, LEAST), NORMAL);
        vm.assertEq(_product(NORMAL, 0x3fe0000000000000), NORMAL >> 1); // half of the least normal number
        vm.assertEq(_product(LEAST, 0x3fe0000000000000), 0); // a tie, to even
        vm.assertEq(_product(3, 0x3fe0000000000000), 2); // a tie, to even
        vm.assertEq(_product(LEAST, LEAST | SIGN), SIGN); // far below
        vm.assertEq(_product(NORMAL - 1, 0x3ff0000000000001), NORMAL); // a mantissa that becomes normal
    }

    function test_what_is_not_finite_reverts() external {
        vm.expectRevert(Binary64.NotFinite.selector);
        rules.toWord(INFINITY);
        vm.expectRevert(Binary64.NotFinite.selector);
        this.pair(MOST, MOST);
        vm.expectRevert(Binary64.NotFinite.selector);
        this.pair(INFINITY + 1, ONE);
    }

    function pair(uint64 a, uint64 b) external view {
        _pair(a, b);
    }

    function testFuzz_laws_of_arithmetic(uint64 a, uint64 b) external view {
        (a, b) = (_moderate(a), _moderate(b));
        (uint64 sum, uint64 product) = _pair(a, b);
        (uint64 swapped, uint64 exchanged) = _pair(b, a);
        vm.assertEq(sum, swapped);
        vm.assertEq(product, exchanged);
        vm.assertEq(_sum(a ^ SIGN, b ^ SIGN), sum & ~SIGN == 0 ? 0 : sum ^ SIGN);
        vm.assertEq(_product(a ^ SIGN, b), product ^ SIGN);
        vm.assertEq(_sum(a, a), _product(a, 0x4000000000000000));
    }

    function testFuzz_one_and_zero_change_nothing(uint64 a) external view {
        a = _finite(a);
        vm.assertEq(_product(a, ONE), a);
        vm.assertEq(_sum(a, 0), a == SIGN ? 0 : a);
        vm.assertEq(_sum(a, SIGN), a);
    }

    function test_words_of_turns() external view {
        vm.assertEq(rules.toWord(0x3fe0000000000000), 1 << 63); // half a turn
        vm.assertEq(rules.toWord(0xbfe0000000000000), 1 << 63);
        vm.assertEq(rules.toWord(0x3ff8000000000000), 1 << 63); // one and a half
        vm.assertEq(rules.toWord(0x3bf0000000000000), 1); // 2^-64
        vm.assertEq(rules.toWord(0xbbf0000000000000), type(uint64).max);
        vm.assertEq(rules.toWord(0x3be0000000000000), 0); // a tie
        vm.assertEq(rules.toWord(0x3bf8000000000000), 2); // a tie
        vm.assertEq(rules.toWord(0x4530000000000000), 0); // whole turns
        vm.assertEq(rules.toWord(LEAST), 0);
    }

    function test_digits_add_up() external {
        vm.assertEq(rules.digit(type(uint64).max, 4, 6, 0), 0);
        vm.assertEq(rules.digit(uint64(1) << 40, 4, 6, 0), ONE);
        vm.assertEq(rules.digit(uint64(3) << 62, 1, 1, 0), 0); // -1/4 of a turn is nearer to none, half up
        vm.assertEq(rules.digit(uint64(1) << 63, 4, 1, 0), 0xc020000000000000); // -8
        vm.assertEq(rules.digit(uint64(1) << 60, 4, 1, 0), ONE);
        uint8[4][4] memory wrong = [[0, 1, 0, 0], [32, 1, 0, 0], [4, 6, 6, 0], [31, 3, 0, 0]];
        for (uint256 i = 0; i < wrong.length; ++i) {
            vm.expectRevert(Digits.NoSuchDigit.selector);
            rules.digit(1, wrong[i][0], wrong[i][1], wrong[i][2]);
        }
    }

    function test_turns_and_key_points() external view {
        vm.assertEq(rules.turn(type(uint64).max, 12), 0);
        vm.assertEq(rules.turn((uint64(5) << 52) + (uint64(1) << 51), 12), 6); // half up
        vm.assertEq(rules.keyPoint(uint64(1) << 63, 10), 0xbf50000000000000 - (uint64(1) << 52)); // -2^63 2^-74
        vm.assertEq(rules.keyPoint(0, 10), 0);
        vm.assertEq(rules.keyPoint(1, 10), 0x3b50000000000000); // 2^-74
    }

    function test_terms_wrap() external view {
        vm.assertEq(rules.addTerm(7, -1, 0, 8), type(uint64).max);
        vm.assertEq(rules.addTerm(1, 3, 62, 1), (uint64(3) << 62) + 1);
    }

    function _points(uint256 count) internal pure returns (Points.Point[] memory list) {
        list = new Points.Point[](count);
        for (uint256 i = 0; i < count; ++i) {
            list[i] = Points.Point(ONE + (uint64(i) << 52), ONE - (uint64(i) << 51));
        }
    }

    /// @dev With twiddles of 1 a split is a small Fourier transform and a join its inverse, times the radix; exactly.
    function test_a_join_undoes_a_split() external view {
        for (uint256 radix = 2; radix <= 4; radix += 2) {
            Points.Point[] memory x = _points(radix);
            Points.Point[] memory t = new Points.Point[](radix - 1);
            for (uint256 i = 0; i < t.length; ++i) {
                t[i] = Points.Point(ONE, 0);
            }
            Points.Point[] memory y = new Points.Point[](radix);
            for (uint256 i = 0; i < radix; ++i) {
                y[i] = rules.split(x, t, i);
            }
            for (uint256 i = 0; i < radix; ++i) {
                Points.Point memory back = rules.join(y, t, i);
                uint64 scale = ONE + (uint64(radix / 2) << 52); // 2 or 4
                vm.assertEq(back.re, _product(x[i].re, scale));
                vm.assertEq(back.im, _product(x[i].im, scale));
            }
        }
    }

    function test_products_are_added_in_order() external view {
        Points.Point[] memory x = _points(2);
        Points.Point[] memory key = new Points.Point[](2);
        key[0] = Points.Point(ONE, 0);
        key[1] = Points.Point(0, ONE);
        Points.Point memory found = rules.product(x, key);
        vm.assertEq(found.re, _sum(x[0].re, x[1].im ^ SIGN));
        vm.assertEq(found.im, _sum(x[0].im, x[1].re));
    }

    function test_nodes_that_are_none() external {
        vm.expectRevert(Points.NoSuchNode.selector);
        rules.split(_points(3), _points(2), 0);
        vm.expectRevert(Points.NoSuchNode.selector);
        rules.split(_points(4), _points(1), 0);
        vm.expectRevert(Points.NoSuchNode.selector);
        rules.join(_points(2), _points(1), 2);
    }

    function _path(bytes32 sibling) internal pure returns (bytes32[] memory list) {
        list = new bytes32[](1);
        list[0] = sibling;
    }

    function test_leaves_under_a_root() external view {
        bytes memory first = new bytes(128);
        bytes memory last = hex"0102";
        bytes32 a = sha256(abi.encodePacked(uint8(0), first));
        bytes32 b = sha256(abi.encodePacked(uint8(0), last));
        bytes32 root = sha256(abi.encodePacked(uint8(1), a, b));
        vm.assertTrue(rules.holds(root, first, 0, 130, _path(b)));
        vm.assertTrue(rules.holds(root, last, 1, 130, _path(a)));
        vm.assertFalse(rules.holds(root, first, 0, 130, _path(a)));
        vm.assertFalse(rules.holds(root, first, 0, 130, new bytes32[](0)));
        vm.assertFalse(rules.holds(root, last, 2, 130, _path(a)));
        vm.assertFalse(rules.holds(root, last, 0, 130, _path(b)));
        bytes32[] memory longer = new bytes32[](2);
        longer[0] = b;
        vm.assertFalse(rules.holds(root, first, 0, 130, longer));
        vm.assertTrue(rules.holds(sha256(hex"00"), "", 0, 0, new bytes32[](0)));
        vm.assertTrue(rules.holds(b, last, 0, 2, new bytes32[](0)));
        vm.assertFalse(rules.holds(b, last, 0, 128, new bytes32[](0))); // the file is not that long
        bytes32 three = sha256(abi.encodePacked(uint8(1), root, b)); // an odd last digest moves up
        vm.assertFalse(rules.holds(three, last, 2, 258, _path(a)));
        bytes32 two = sha256(abi.encodePacked(uint8(1), a, a));
        vm.assertTrue(rules.holds(sha256(abi.encodePacked(uint8(1), two, b)), last, 2, 258, _path(two)));
    }
}
