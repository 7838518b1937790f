// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title AES-128 (FIPS 197) of one block, as the masks of published columns are made of
library Aes {
    bytes private constant SBOX = hex"637c777bf26b6fc53001672bfed7ab76ca82c97dfa5947f0add4a2af9ca472c0"
        hex"b7fd9326363ff7cc34a5e5f171d8311504c723c31896059a071280e2eb27b275"
        hex"09832c1a1b6e5aa0523bd6b329e32f8453d100ed20fcb15b6acbbe394a4c58cf"
        hex"d0efaafb434d338545f9027f503c9fa851a3408f929d38f5bcb6da2110fff3d2"
        hex"cd0c13ec5f974417c4a77e3d645d197360814fdc222a908846eeb814de5e0bdb"
        hex"e0323a0a4906245cc2d3ac629195e479e7c8376d8dd54ea96c56f4ea657aae08"
        hex"ba78252e1ca6b4c6e8dd741f4bbd8b8a703eb5664803f60e613557b986c11d9e"
        hex"e1f8981169d98e949b1e87e9ce5528df8ca1890dbfe6426841992d0fb054bb16";

    /// @notice The block of a counter, as 16 little-endian bytes, under a key: its two words, little-endian.
    /// @param low the key's first 8 bytes as a little-endian word, `high` its last
    function stream(uint64 low, uint64 high, uint64 counter) internal pure returns (uint64, uint64) {
        uint256 key = uint256(_swap(low)) << 64 | _swap(high);
        uint256 block_ = encrypt(key, uint256(_swap(counter)) << 64);
        return (_swap(uint64(block_ >> 64)), _swap(uint64(block_)));
    }

    /// @notice One block; bytes from the most significant one of 128 bits on.
    function encrypt(uint256 key, uint256 text) internal pure returns (uint256 state) {
        unchecked {
            bytes memory box = SBOX;
            state = text ^ key;
            uint256 constant_ = 1;
            for (uint256 round = 1; round <= 10; ++round) {
                uint256 last = key & 0xffffffff;
                last = (last << 8 | last >> 24) & 0xffffffff;
                uint256 mixed = _sub(box, last, 4) ^ constant_ << 24;
                constant_ = constant_ << 1 ^ (constant_ >> 7) * 0x11b;
                uint256 a = key >> 96 ^ mixed;
                uint256 b = (key >> 64 & 0xffffffff) ^ a;
                uint256 c = (key >> 32 & 0xffffffff) ^ b;
                uint256 d = (key & 0xffffffff) ^ c;
                key = a << 96 | b << 64 | c << 32 | d;
                state = _shift(_sub(box, state, 16));
                if (round < 10) state = _mix(state);
                state ^= key;
            }
        }
    }

    /// @dev Each of the lowest `count` bytes through the box.
    function _sub(bytes memory box, uint256 x, uint256 count) private pure returns (uint256 out) {
        assembly ("memory-safe") {
            for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                let place := and(shr(mul(8, i), x), 0xff)
                out := or(out, shl(mul(8, i), byte(31, mload(add(add(box, 1), place)))))
            }
        }
    }

    /// @dev Row r moves r columns: byte 4 c + r becomes that of column c + r.
    function _shift(uint256 x) private pure returns (uint256 out) {
        unchecked {
            for (uint256 i = 0; i < 16; ++i) {
                uint256 from = (5 * i) % 16;
                out |= (x >> (120 - 8 * from) & 0xff) << (120 - 8 * i);
            }
        }
    }

    /// @dev Each column times 2 x^0 + 1 x^1 + 1 x^2 + 3 x^3 over the field, all bytes at once.
    function _mix(uint256 x) private pure returns (uint256) {
        unchecked {
            uint256 next =
                (x << 8 & 0xffffff00ffffff00ffffff00ffffff00) | (x >> 24 & 0x000000ff000000ff000000ff000000ff);
            uint256 second =
                (x << 16 & 0xffff0000ffff0000ffff0000ffff0000) | (x >> 16 & 0x0000ffff0000ffff0000ffff0000ffff);
            uint256 third =
                (x << 24 & 0xff000000ff000000ff000000ff000000) | (x >> 8 & 0x00ffffff00ffffff00ffffff00ffffff);
            return _double(x) ^ _double(next) ^ next ^ second ^ third;
        }
    }

    function _double(uint256 x) private pure returns (uint256) {
        unchecked {
            uint256 high = x >> 7 & 0x01010101010101010101010101010101;
            return (x & 0x7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f) << 1 ^ high * 0x1b;
        }
    }

    function _swap(uint64 word) private pure returns (uint64) {
        uint256 x = word;
        x = ((x & 0xff00ff00ff00ff00) >> 8) | ((x & 0x00ff00ff00ff00ff) << 8);
        x = ((x & 0xffff0000ffff0000) >> 16) | ((x & 0x0000ffff0000ffff) << 16);
        return uint64((x >> 32) | (x << 32));
    }
}
