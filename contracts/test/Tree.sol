// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Leaves} from "../src/dispute/Leaves.sol";

/// @title Merkle trees of docs/formats.md, made: what the sources under test only check
library Tree {
    uint256 private constant BYTES = 128;

    /// @dev Words as a file has them: 8 bytes each, little-endian.
    function file(uint64[] memory words) internal pure returns (bytes memory data) {
        data = new bytes(8 * words.length + 32);
        for (uint256 i = 0; i < words.length; ++i) {
            uint256 x = words[i];
            x = ((x & 0xff00ff00ff00ff00) >> 8) | ((x & 0x00ff00ff00ff00ff) << 8);
            x = ((x & 0xffff0000ffff0000) >> 16) | ((x & 0x0000ffff0000ffff) << 16);
            x = (x >> 32) | (x << 32);
            assembly ("memory-safe") {
                mstore(add(add(data, 32), mul(8, i)), shl(192, x))
            }
        }
        uint256 length = 8 * words.length;
        assembly ("memory-safe") {
            mstore(data, length)
        }
    }

    function root(bytes memory data) internal pure returns (bytes32) {
        return fold(leaves(data));
    }

    /// @dev The leaf that has a word, and its path.
    function leafOf(bytes memory data, uint256 word) internal pure returns (Leaves.Leaf memory leaf) {
        uint256 index = word / 16;
        leaf.data = slice(data, index);
        leaf.path = path(leaves(data), index);
    }

    function leaves(bytes memory data) internal pure returns (bytes32[] memory level) {
        uint256 count = data.length == 0 ? 1 : (data.length - 1) / BYTES + 1;
        level = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            level[i] = sha256(abi.encodePacked(uint8(0), slice(data, i)));
        }
    }

    function files(bytes32[] memory roots) internal pure returns (bytes32[] memory level) {
        level = new bytes32[](roots.length);
        for (uint256 i = 0; i < roots.length; ++i) {
            level[i] = sha256(abi.encodePacked(uint8(2), roots[i]));
        }
    }

    function fold(bytes32[] memory level) internal pure returns (bytes32) {
        while (level.length > 1) {
            level = up(level);
        }
        return level[0];
    }

    function path(bytes32[] memory level, uint256 index) internal pure returns (bytes32[] memory siblings) {
        bytes32[] memory found = new bytes32[](64);
        uint256 count = 0;
        for (; level.length > 1; (level, index) = (up(level), index / 2)) {
            if (index ^ 1 < level.length) found[count++] = level[index ^ 1];
        }
        siblings = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            siblings[i] = found[i];
        }
    }

    function up(bytes32[] memory level) internal pure returns (bytes32[] memory next) {
        next = new bytes32[]((level.length + 1) / 2);
        for (uint256 i = 0; i < next.length; ++i) {
            next[i] = 2 * i + 1 < level.length
                ? sha256(abi.encodePacked(uint8(1), level[2 * i], level[2 * i + 1]))
                : level[2 * i];
        }
    }

    function slice(bytes memory data, uint256 index) internal pure returns (bytes memory part) {
        uint256 start = index * BYTES;
        uint256 end = start + BYTES < data.length ? start + BYTES : data.length;
        part = new bytes(end - start);
        assembly ("memory-safe") {
            mcopy(add(part, 32), add(add(data, 32), start), sub(end, start))
        }
    }
}
