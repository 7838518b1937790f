// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Merkle trees over bytes: 128 of them against one root
/// @notice docs/formats.md, section 2: leaves of 128 bytes, SHA-256, an odd last digest moves up unchanged.
library Leaves {
    uint256 internal constant BYTES = 128;

    /// @notice Whether `leaf` is leaf number `index` of the `length` bytes under `root`.
    function holds(bytes32 root, bytes memory leaf, uint256 index, uint256 length, bytes32[] memory siblings)
        internal
        pure
        returns (bool)
    {
        uint256 count = length == 0 ? 1 : (length - 1) / BYTES + 1;
        if (index >= count) return false;
        uint256 expected = index + 1 < count ? BYTES : length - index * BYTES;
        if (leaf.length != expected) return false;
        return climb(sha256(abi.encodePacked(uint8(0), leaf)), index, count, siblings) == root;
    }

    /// @notice The root over `count` digests of which `digest` is number `index`; zero for a path of another length.
    function climb(bytes32 digest, uint256 index, uint256 count, bytes32[] memory siblings)
        internal
        pure
        returns (bytes32)
    {
        uint256 used = 0;
        for (; count > 1; (index, count) = (index / 2, (count + 1) / 2)) {
            if (index % 2 == 0 && index + 1 == count) continue;
            if (used == siblings.length) return 0;
            bytes32 other = siblings[used++];
            digest = index % 2 == 0
                ? sha256(abi.encodePacked(uint8(1), digest, other))
                : sha256(abi.encodePacked(uint8(1), other, digest));
        }
        return used == siblings.length ? digest : bytes32(0);
    }
}
