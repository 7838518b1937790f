// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Leaves} from "./Leaves.sol";

/// @title Roots over the first words of a line, and lists of them: docs/trace.md, section 8
/// @notice The full leaves among so many words make up whole trees, one for each bit of their number: the peaks, largest
///         first. The root is SHA-256 over 03, the peaks, and the words of the leaf that is not full; without words, zero.
/// @dev What a root is of stands in the calldata, from `spot` on: peaks, then words.
library Prefix {
    /// @notice The root over `count` words.
    function root(uint256 count, uint256 spot) internal view returns (bytes32) {
        return count == 0 ? bytes32(0) : _hashed(spot, 32 * peaks(count) + 8 * (count % Leaves.WORDS), 0, 0);
    }

    /// @notice The root over `count` words and one more.
    function grown(uint256 count, uint256 spot, uint64 word) internal view returns (bytes32) {
        uint256 trees = 32 * peaks(count);
        uint256 begun = 8 * (count % Leaves.WORDS);
        bytes32 last = bytes32(uint256(Leaves.turned(word)) << 192);
        if (begun + 8 < Leaves.BYTES) return _hashed(spot, trees + begun, last, 8);
        last = sha256(bytes.concat(hex"00", _copied(spot + trees, begun), bytes8(last)));
        for (uint256 leaf = count / Leaves.WORDS; leaf & 1 == 1; leaf >>= 1) {
            trees -= 32;
            last = sha256(bytes.concat(hex"01", Leaves.shownAt(spot + trees), last));
        }
        return _hashed(spot, trees, last, 32);
    }

    /// @notice How many peaks so many words have.
    function peaks(uint256 count) internal pure returns (uint256 found) {
        for (uint256 leaves = count / Leaves.WORDS; leaves > 0; leaves &= leaves - 1) {
            ++found;
        }
    }

    /// @notice The peak that a leaf is under which is full, and the levels of its tree.
    function peakOf(uint256 count, uint256 spot, uint256 leaf) internal pure returns (bytes32 peak, uint256 levels) {
        uint256 leaves = count / Leaves.WORDS;
        levels = Math.log2(leaves ^ leaf);
        peak = Leaves.shownAt(spot + 32 * peaks(leaves >> levels + 1 << 4));
    }

    /// @notice The digest of stretches between neighbouring roots: of `low` and the first one, of that and the second one,
    ///         and so on; a power of two of them.
    function listed(bytes32 low, bytes32[] calldata roots) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, low)
            calldatacopy(add(free, 32), roots.offset, shl(5, roots.length))
            for { let i := 0 } lt(i, roots.length) { i := add(i, 1) } {
                mstore(add(free, shl(5, i)), keccak256(add(free, shl(5, i)), 64))
            }
            for { let count := shr(1, roots.length) } count { count := shr(1, count) } {
                for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                    mstore(add(free, shl(5, i)), keccak256(add(free, shl(6, i)), 64))
                }
            }
            digest := mload(free)
        }
    }

    /// @notice The digest of a list of which two neighbours are the stretch number `part`.
    function listedAt(bytes32 low, bytes32 high, uint256 part, bytes32[] calldata path)
        internal
        pure
        returns (bytes32 digest)
    {
        digest = keccak256(abi.encode(low, high));
        for (uint256 i = 0; i < path.length; ++i) {
            digest =
                part >> i & 1 == 0 ? keccak256(abi.encode(digest, path[i])) : keccak256(abi.encode(path[i], digest));
        }
    }

    function _copied(uint256 spot, uint256 length) private pure returns (bytes memory copy) {
        copy = new bytes(length);
        assembly ("memory-safe") {
            calldatacopy(add(copy, 32), spot, length)
        }
    }

    /// @dev SHA-256 over 03, bytes of the calldata, and the first bytes of `last`.
    function _hashed(uint256 spot, uint256 length, bytes32 last, uint256 more) private view returns (bytes32 digest) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore8(free, 3)
            calldatacopy(add(free, 1), spot, length)
            mstore(add(add(free, 1), length), last)
            if iszero(staticcall(gas(), 2, free, add(add(length, 1), more), 0, 32)) { invalid() }
            digest := mload(0)
        }
    }
}
