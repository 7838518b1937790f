// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Merkle trees over bytes: 128 of them against one root
/// @notice docs/formats.md, section 2: leaves of 128 bytes, SHA-256, an odd last digest moves up unchanged. Words are of
///         64 bits, little-endian, 16 to a leaf.
library Leaves {
    uint256 internal constant BYTES = 128;
    uint256 internal constant WORDS = 16;

    error WrongProof();

    /// @notice A leaf and the digests that lead from it to its root.
    struct Leaf {
        bytes data;
        bytes32[] path;
    }

    /// @notice Whether `leaf` is leaf number `index` of the `length` bytes under `root`.
    function holds(bytes32 root, bytes memory leaf, uint256 index, uint256 length, bytes32[] memory siblings)
        internal
        view
        returns (bool)
    {
        uint256 count = length == 0 ? 1 : (length - 1) / BYTES + 1;
        if (index >= count) return false;
        uint256 expected = index + 1 < count ? BYTES : length - index * BYTES;
        if (leaf.length != expected) return false;
        return climb(sha256(abi.encodePacked(uint8(0), leaf)), index, count, siblings) == root;
    }

    /// @notice Word number `index` of the `length` bytes under `root`. Reverts unless `leaf` shows it.
    function word(bytes32 root, uint256 length, uint256 index, Leaf memory leaf) internal view returns (uint64) {
        if (!holds(root, leaf.data, index / WORDS, length, leaf.path)) revert WrongProof();
        return wordAt(leaf.data, index % WORDS);
    }

    /// @notice Word number `index` of a leaf that was checked.
    function wordAt(bytes memory leaf, uint256 index) internal pure returns (uint64) {
        if (8 * index + 8 > leaf.length) revert WrongProof();
        uint256 x;
        assembly ("memory-safe") {
            x := shr(192, mload(add(add(leaf, 32), mul(8, index))))
        }
        return turned(x);
    }

    /// @notice The 8 bytes of a word in the other order.
    function turned(uint256 x) internal pure returns (uint64) {
        x = ((x & 0xff00ff00ff00ff00) >> 8) | ((x & 0x00ff00ff00ff00ff) << 8);
        x = ((x & 0xffff0000ffff0000) >> 16) | ((x & 0x0000ffff0000ffff) << 16);
        return uint64((x >> 32) | (x << 32));
    }

    /// @notice Reverts unless a file with this root is number `index` of `count` under a data root.
    function checkFile(bytes32 dataRoot, bytes32 root, uint256 index, uint256 count, bytes32[] memory path)
        internal
        view
    {
        if (index >= count) revert WrongProof();
        if (climb(sha256(abi.encodePacked(uint8(2), root)), index, count, path) != dataRoot) revert WrongProof();
    }

    /// @notice The root over `count` digests of which `digest` is number `index`; zero for a path of another length.
    function climb(bytes32 digest, uint256 index, uint256 count, bytes32[] memory siblings)
        internal
        view
        returns (bytes32)
    {
        unchecked {
            uint256 used = 0;
            for (; count > 1; (index, count) = (index >> 1, (count + 1) >> 1)) {
                if (index & 1 == 0 && index + 1 == count) continue;
                if (used == siblings.length) return 0;
                bytes32 other;
                assembly ("memory-safe") {
                    used := add(used, 1)
                    other := mload(add(siblings, shl(5, used)))
                }
                digest = index & 1 == 0 ? _node(digest, other) : _node(other, digest);
            }
            return used == siblings.length ? digest : bytes32(0);
        }
    }

    /// @notice 32 bytes of the calldata.
    function shownAt(uint256 spot) internal pure returns (bytes32 word_) {
        assembly ("memory-safe") {
            word_ := calldataload(spot)
        }
    }

    /// @notice The digest of a leaf of `length` bytes in the calldata.
    function leafAt(uint256 spot, uint256 length) internal view returns (bytes32 digest) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore8(free, 0)
            calldatacopy(add(free, 1), spot, length)
            if iszero(staticcall(gas(), 2, free, add(length, 1), 0, 32)) { invalid() }
            digest := mload(0)
        }
    }

    /// @notice As `climb`, with the siblings in the calldata; where they end.
    function climbAt(bytes32 digest, uint256 index, uint256 count, uint256 spot)
        internal
        view
        returns (bytes32, uint256 end)
    {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore8(free, 1)
            for {} gt(count, 1) {
                index := shr(1, index)
                count := shr(1, add(count, 1))
            } {
                let odd := and(index, 1)
                // An odd last digest moves up as it is.
                if iszero(or(odd, xor(add(index, 1), count))) { continue }
                mstore(add(free, add(1, shl(5, odd))), digest)
                mstore(add(free, sub(33, shl(5, odd))), calldataload(spot))
                spot := add(spot, 32)
                if iszero(staticcall(gas(), 2, free, 65, 0, 32)) { invalid() }
                digest := mload(0)
            }
        }
        return (digest, spot);
    }

    /// @notice Word number `index` of a leaf in the calldata that was checked.
    function wordOf(uint256 spot, uint256 index) internal pure returns (uint64) {
        uint256 x;
        assembly ("memory-safe") {
            x := shr(192, calldataload(add(spot, shl(3, index))))
        }
        return turned(x);
    }

    /// @dev SHA-256(01 || left || right), in the memory that is free, and which it leaves free.
    function _node(bytes32 left, bytes32 right) private view returns (bytes32 digest) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore8(free, 1)
            mstore(add(free, 1), left)
            mstore(add(free, 33), right)
            if iszero(staticcall(gas(), 2, free, 65, 0, 32)) { invalid() }
            digest := mload(0)
        }
    }
}
