// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A random order of the numbers below n, worked out only as far as it is looked at
/// @dev Fisher and Yates' shuffle, with the array it would need replaced by a list of the places that differ from their
///      own number. Every order is as likely as any other, up to a bias of n / 2^256 in each step.
library Shuffle {
    struct Deck {
        bytes32 seed;
        uint256 size;
        uint256 dealt;
        uint256[] place;
        uint256[] value;
    }

    /// @param size how many numbers there are
    /// @param most how many will be looked at, at most
    function deck(bytes32 seed, uint256 size, uint256 most) internal pure returns (Deck memory) {
        return Deck({seed: seed, size: size, dealt: 0, place: new uint256[](most), value: new uint256[](most)});
    }

    /// @dev The next number of the order. Reverts when more are asked for than were announced or exist.
    function next(Deck memory self) internal pure returns (uint256 number) {
        uint256 i = self.dealt;
        uint256 j = i + uint256(keccak256(abi.encode(self.seed, i))) % (self.size - i);
        number = _at(self, j);
        self.value[i] = _at(self, i);
        self.place[i] = j;
        self.dealt = i + 1;
    }

    /// @dev What the shuffled array has at place `j`: the last value put there, else `j` itself.
    function _at(Deck memory self, uint256 j) private pure returns (uint256) {
        for (uint256 k = self.dealt; k > 0; --k) {
            if (self.place[k - 1] == j) return self.value[k - 1];
        }
        return j;
    }
}
