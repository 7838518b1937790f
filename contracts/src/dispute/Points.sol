// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Binary64} from "./Binary64.sol";

/// @title Complex points, and one node of the canonical transform
/// @notice docs/canonical-evaluator.md, section 3: every sum and product is rounded, in the order written there.
library Points {
    struct Point {
        uint64 re;
        uint64 im;
    }

    error NoSuchNode();

    function plus(Point memory x, Point memory y) internal pure returns (Point memory) {
        return Point(Binary64.add(x.re, y.re), Binary64.add(x.im, y.im));
    }

    function minus(Point memory x, Point memory y) internal pure returns (Point memory) {
        return Point(Binary64.sub(x.re, y.re), Binary64.sub(x.im, y.im));
    }

    /// @notice x + i y.
    function plusI(Point memory x, Point memory y) internal pure returns (Point memory) {
        return Point(Binary64.sub(x.re, y.im), Binary64.add(x.im, y.re));
    }

    /// @notice x - i y.
    function minusI(Point memory x, Point memory y) internal pure returns (Point memory) {
        return Point(Binary64.add(x.re, y.im), Binary64.sub(x.im, y.re));
    }

    function times(Point memory x, Point memory t) internal pure returns (Point memory) {
        return Point(
            Binary64.sub(Binary64.mul(x.re, t.re), Binary64.mul(x.im, t.im)),
            Binary64.add(Binary64.mul(x.re, t.im), Binary64.mul(x.im, t.re))
        );
    }

    /// @notice x times the conjugate of t.
    function timesConjugate(Point memory x, Point memory t) internal pure returns (Point memory) {
        return Point(
            Binary64.add(Binary64.mul(x.re, t.re), Binary64.mul(x.im, t.im)),
            Binary64.sub(Binary64.mul(x.im, t.re), Binary64.mul(x.re, t.im))
        );
    }

    /// @notice Point `place` of a node after it was split: its 2 or 4 points x before, its 1 or 3 twiddles t.
    function split(Point[] memory x, Point[] memory t, uint256 place) internal pure returns (Point memory) {
        _check(x, t, place);
        if (x.length == 2) {
            Point memory u = times(x[1], t[0]);
            return place == 0 ? plus(x[0], u) : minus(x[0], u);
        }
        Point memory middle = times(x[2], t[1]);
        (Point memory one, Point memory three) = (times(x[1], t[0]), times(x[3], t[2]));
        if (place % 2 == 0) {
            (Point memory s, Point memory p) = (plus(x[0], middle), plus(one, three));
            return place == 0 ? plus(s, p) : minus(s, p);
        }
        (Point memory d, Point memory q) = (minus(x[0], middle), minus(one, three));
        return place == 1 ? plusI(d, q) : minusI(d, q);
    }

    /// @notice Point `place` of a node after its children were joined: its 2 or 4 points before, its 1 or 3 twiddles.
    function join(Point[] memory y, Point[] memory t, uint256 place) internal pure returns (Point memory) {
        _check(y, t, place);
        if (y.length == 2) return place == 0 ? plus(y[0], y[1]) : timesConjugate(minus(y[0], y[1]), t[0]);
        if (place % 2 == 0) {
            (Point memory s, Point memory p) = (plus(y[0], y[2]), plus(y[1], y[3]));
            return place == 0 ? plus(s, p) : timesConjugate(minus(s, p), t[1]);
        }
        (Point memory d, Point memory q) = (minus(y[0], y[2]), minus(y[1], y[3]));
        return timesConjugate(place == 1 ? minusI(d, q) : plusI(d, q), t[place - 1]);
    }

    function _check(Point[] memory x, Point[] memory t, uint256 place) private pure {
        bool known = x.length == 2 || x.length == 4;
        if (!known || t.length != x.length - 1 || place >= x.length) revert NoSuchNode();
    }
}
