// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Leaves} from "../src/dispute/Leaves.sol";
import {Prefix} from "../src/dispute/Prefix.sol";
import {Programs} from "../src/dispute/Programs.sol";
import {Tree} from "./Tree.sol";
import {Vm, VM_ADDRESS} from "./Vm.sol";

/// @title Leaves and programs by themselves: what no game reaches, since it asks for nothing that is not there
contract ProgramsTest {
    Vm internal constant vm = Vm(VM_ADDRESS);

    function setUp() public {}

    /// @dev External, so that a revert can be expected.
    function word(bytes32 root, uint256 length, uint256 index, Leaves.Leaf memory leaf) external view returns (uint64) {
        return Leaves.word(root, length, index, leaf);
    }

    function at(bytes memory leaf, uint256 index) external pure returns (uint64) {
        return Leaves.wordAt(leaf, index);
    }

    function file(bytes32 dataRoot, bytes32 root, uint256 index, uint256 count, bytes32[] memory path) external view {
        Leaves.checkFile(dataRoot, root, index, count, path);
    }

    function asked(Programs.Program memory program, uint256 kind, uint256 number, Leaves.Leaf memory leaf)
        external
        view
    {
        if (kind == 0) Programs.output(program, number, leaf);
        if (kind == 1) Programs.term(program, number, leaf);
        if (kind == 2) Programs.input(program, number, 0, leaf);
        if (kind == 3) Programs.input(program, 0, number, leaf);
        if (kind == 4) Programs.shardRows(program, number, leaf);
    }

    function testFuzz_words_stand_under_their_root(uint8 count, uint8 place) public {
        uint64[] memory words = new uint64[](uint256(count) + 1);
        for (uint256 i = 0; i < words.length; ++i) {
            words[i] = uint64(uint256(keccak256(abi.encode(i, count))));
        }
        uint256 index = place % words.length;
        bytes memory data = Tree.file(words);
        bytes32 root = Tree.root(data);
        Leaves.Leaf memory leaf = Tree.leafOf(data, index);
        vm.assertEq(this.word(root, data.length, index, leaf), words[index]);
        vm.expectRevert(Leaves.WrongProof.selector);
        this.word(keccak256("another"), data.length, index, leaf);
        vm.expectRevert(Leaves.WrongProof.selector);
        this.word(root, data.length, words.length + 16, leaf);
        leaf.path = new bytes32[](leaf.path.length + 1);
        vm.expectRevert(Leaves.WrongProof.selector);
        this.word(root, data.length, index, leaf);
        vm.expectRevert(Leaves.WrongProof.selector);
        this.at(leaf.data, 16);
        if (words.length > 16) {
            leaf.path = new bytes32[](0);
            vm.expectRevert(Leaves.WrongProof.selector);
            this.word(root, data.length, index, leaf);
        }
    }

    function testFuzz_a_pick_is_of_its_list(uint8 bits, bytes32 seed, uint256 other) public view {
        uint256 count = 1 << (bits % 6);
        bytes32[] memory roots = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            roots[i] = keccak256(abi.encode(seed, i));
        }
        for (uint256 part = 0; part < count; ++part) {
            _picked(seed, roots, part, bytes32(other));
        }
    }

    function _picked(bytes32 seed, bytes32[] memory roots, uint256 part, bytes32 other) private view {
        bytes32 list = this.listed(seed, roots);
        bytes32 low = part == 0 ? seed : roots[part - 1];
        bytes32[] memory path = _path(seed, roots, part);
        vm.assertEq(this.listedAt(low, roots[part], part, path), list);
        vm.assertTrue(this.listedAt(other, roots[part], part, path) != list);
        if (roots.length > 1) vm.assertTrue(this.listedAt(low, roots[part], part ^ 1, path) != list);
    }

    function listed(bytes32 low, bytes32[] calldata roots) external pure returns (bytes32) {
        return Prefix.listed(low, roots);
    }

    function listedAt(bytes32 low, bytes32 high, uint256 part, bytes32[] calldata path)
        external
        pure
        returns (bytes32)
    {
        return Prefix.listedAt(low, high, part, path);
    }

    /// @dev What leads from a pair of neighbours to the digest over all of them.
    function _path(bytes32 low, bytes32[] memory roots, uint256 part) private pure returns (bytes32[] memory path) {
        bytes32[] memory level = new bytes32[](roots.length);
        for (uint256 i = 0; i < roots.length; ++i) {
            level[i] = keccak256(abi.encode(i == 0 ? low : roots[i - 1], roots[i]));
        }
        uint256 levels = 0;
        while (1 << levels < roots.length) ++levels;
        path = new bytes32[](levels);
        for (uint256 i = 0; i < levels; ++i) {
            path[i] = level[part ^ 1];
            part /= 2;
            _halve(level);
        }
    }

    /// @dev The level above, in the first half of the same memory.
    function _halve(bytes32[] memory level) private pure {
        for (uint256 i = 0; i < level.length / 2; ++i) {
            level[i] = keccak256(abi.encode(level[2 * i], level[2 * i + 1]));
        }
    }

    function test_empty_files_and_files_that_are_not_there() public {
        vm.assertTrue(Leaves.holds(Tree.root(""), "", 0, 0, new bytes32[](0)));
        vm.assertFalse(Leaves.holds(Tree.root(""), "x", 0, 0, new bytes32[](0)));
        bytes32[] memory roots = new bytes32[](3);
        bytes32[] memory level = Tree.files(roots);
        bytes32[] memory path = Tree.path(level, 2);
        bytes32 root = Tree.fold(Tree.files(roots));
        this.file(root, 0, 2, 3, path);
        vm.expectRevert(Leaves.WrongProof.selector);
        this.file(root, 0, 3, 3, path);
        vm.expectRevert(Leaves.WrongProof.selector);
        this.file(0, 0, 2, 3, path);
    }

    function test_what_a_program_does_not_have() public {
        Programs.Program memory program;
        Leaves.Leaf memory leaf;
        for (uint256 kind = 0; kind < 5; ++kind) {
            vm.expectRevert(Leaves.WrongProof.selector);
            this.asked(program, kind, 1, leaf);
        }
        (program.shards, program.inputs) = (1, 1);
        vm.expectRevert(Leaves.WrongProof.selector);
        this.asked(program, 3, 1, leaf);
    }
}
