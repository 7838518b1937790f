// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Sums and products of IEEE 754 binary64, rounded to nearest, ties to even
/// @notice Numbers are their 64 bits. The canonical evaluator meets neither infinities nor NaN: what would be one
///         reverts. Subnormals and signed zeros are exact.
/// @dev A finite number is sign, mantissa and exponent, mantissa * 2^exponent. Sums and products are formed exactly in
///      256 bits and rounded once; of two summands further apart than that, the smaller one is a sticky bit.
library Binary64 {
    error NotFinite();

    uint64 internal constant SIGN = 1 << 63;
    uint256 private constant FRACTION = (1 << 52) - 1;
    int256 private constant LOWEST = -1074; // exponent of the last bit of a subnormal
    uint256 private constant FARTHEST = 120; // bits apart at which the smaller summand is below every bit that counts

    function add(uint64 a, uint64 b) internal pure returns (uint64) {
        unchecked {
            (uint256 m, int256 e) = _open(a);
            (uint256 n, int256 f) = _open(b);
            if (m == 0 && n == 0) return a & b & SIGN;
            if (m == 0) return b;
            if (n == 0) return a;
            if (e < f) (a, m, e, b, n, f) = (b, n, f, a, m, e);
            if (e - f > int256(FARTHEST)) (n, f) = (1, e - int256(FARTHEST));
            m <<= uint256(e - f);
            if ((a ^ b) & SIGN == 0) return _close(a & SIGN, m + n, f);
            if (m == n) return 0;
            return m > n ? _close(a & SIGN, m - n, f) : _close(b & SIGN, n - m, f);
        }
    }

    function sub(uint64 a, uint64 b) internal pure returns (uint64) {
        return add(a, b ^ SIGN);
    }

    function mul(uint64 a, uint64 b) internal pure returns (uint64) {
        unchecked {
            (uint256 m, int256 e) = _open(a);
            (uint256 n, int256 f) = _open(b);
            return _close((a ^ b) & SIGN, m * n, e + f);
        }
    }

    /// @notice `value` * 2^`exponent` as a double.
    function fromInt(int64 value, int256 exponent) internal pure returns (uint64) {
        uint256 magnitude = value < 0 ? uint256(-int256(value)) : uint256(int256(value));
        return _close(value < 0 ? SIGN : 0, magnitude, exponent);
    }

    /// @notice The fraction of `x` turns times 2^64, rounded to nearest, ties to even, modulo 2^64.
    /// @dev What is dropped of x in whole turns is a multiple of 2^64 here, so the bits below are all that count.
    function toWord(uint64 x) internal pure returns (uint64) {
        unchecked {
            (uint256 m, int256 e) = _open(x);
            int256 up = e + 64;
            uint256 q = up < 0 ? _round(m, uint256(-up)) : up < 64 ? m << uint256(up) : 0;
            return x & SIGN == 0 ? uint64(q) : uint64(0) - uint64(q);
        }
    }

    function _open(uint64 a) private pure returns (uint256 mantissa, int256 exponent) {
        unchecked {
            uint256 field = (a >> 52) & 0x7ff;
            if (field == 0x7ff) revert NotFinite();
            mantissa = a & FRACTION;
            if (field == 0) return (mantissa, LOWEST);
            return (mantissa | (FRACTION + 1), int256(field) + LOWEST - 1);
        }
    }

    /// @dev m * 2^e rounded, m below 2^192.
    function _close(uint64 sign, uint256 m, int256 e) private pure returns (uint64) {
        unchecked {
            if (m == 0) return sign;
            int256 drop = int256(Math.log2(m)) - 52;
            if (e + drop < LOWEST) drop = LOWEST - e;
            uint256 q = drop > 0 ? _round(m, uint256(drop)) : m << uint256(-drop);
            // A mantissa that became 2^53 has the bits of the next exponent once it is added to the field.
            uint256 field = q > FRACTION ? uint256(e + drop - LOWEST) : 0;
            uint256 bits = (field << 52) + q;
            if (bits >> 52 >= 0x7ff) revert NotFinite();
            return sign | uint64(bits);
        }
    }

    /// @dev m / 2^drop to the nearest whole number, ties to even; drop > 0.
    function _round(uint256 m, uint256 drop) private pure returns (uint256 q) {
        unchecked {
            if (drop > 255) return 0;
            q = m >> drop;
            uint256 rest = m & ((uint256(1) << drop) - 1);
            uint256 half = uint256(1) << (drop - 1);
            if (rest > half || (rest == half && q & 1 == 1)) ++q;
        }
    }
}
