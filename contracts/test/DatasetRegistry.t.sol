// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC4906} from "@openzeppelin/contracts/interfaces/IERC4906.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IDatasetRegistry} from "../src/interfaces/IDatasetRegistry.sol";
import {World} from "./World.sol";

/// @title Publishing, versions, epochs, tombstones, royalties
contract DatasetRegistryTest is World {
    function setUp() public {
        _deploy();
    }

    function test_publish_mints_the_token_and_tells_every_digest_and_the_custodian() public {
        vm.expectEmit(address(datasets));
        emit IDatasetRegistry.DatasetVersion(1, 1, 1, RAW, ROWS, MANIFEST, ROOT, PROFILE);
        vm.expectEmit(address(datasets));
        emit IDatasetRegistry.CustodianChanged(1, custodian);
        vm.expectEmit(address(datasets));
        emit IERC721.Transfer(address(0), owner, 1);
        uint256 id = _publish();
        vm.assertEq(id, 1);
        vm.assertEq(datasets.count(), 1);
        IDatasetRegistry.Dataset memory d = datasets.get(id);
        vm.assertEq(d.owner, owner);
        vm.assertEq(d.custodian, custodian);
        vm.assertEq(d.rows, ROWS);
        vm.assertEq(d.version, 1);
        vm.assertEq(d.epoch, 1);
        vm.assertFalse(d.tombstoned);
        vm.assertEq(d.versionBlock, block.number);
        vm.assertEq(d.content, keccak256(abi.encode(MANIFEST, RAW, ROOT, PROFILE)));
        vm.assertEq(_publish(), 2);
    }

    function testFuzz_publish_binds_exactly_what_was_published(
        bytes32 manifest,
        bytes32 root,
        bytes32 profile,
        uint32 rows,
        bool pb,
        bytes32 other
    ) public {
        vm.assume(manifest != 0 && root != 0 && profile != 0 && rows != 0);
        vm.assume(other != manifest && other != root && other != profile);
        uint8 codec = pb ? 0x70 : 0x55;
        vm.prank(stranger);
        uint256 id = datasets.publish(manifest, codec, root, profile, rows, custodian);
        vm.assertTrue(datasets.verify(id, manifest, codec, root, profile));
        vm.assertFalse(datasets.verify(id, other, codec, root, profile));
        vm.assertFalse(datasets.verify(id, manifest, codec, other, profile));
        vm.assertFalse(datasets.verify(id, manifest, codec, root, other));
        vm.assertFalse(datasets.verify(id, manifest, codec ^ 1, root, profile));
        vm.assertEq(datasets.get(id).rows, rows);
        vm.assertEq(datasets.ownerOf(id), stranger);
    }

    function test_publish_refuses_a_missing_digest() public {
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(IDatasetRegistry.ZeroDigest.selector);
            datasets.publish(
                i == 0 ? bytes32(0) : MANIFEST,
                RAW,
                i == 1 ? bytes32(0) : ROOT,
                i == 2 ? bytes32(0) : PROFILE,
                ROWS,
                owner
            );
        }
    }

    function test_publish_refuses_an_unknown_codec() public {
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.UnknownCodec.selector, 0x71));
        datasets.publish(MANIFEST, 0x71, ROOT, PROFILE, ROWS, owner);
    }

    function test_publish_refuses_no_rows() public {
        vm.expectRevert(IDatasetRegistry.ZeroRows.selector);
        datasets.publish(MANIFEST, RAW, ROOT, PROFILE, 0, owner);
    }

    function test_publish_refuses_more_rows_than_the_record_holds() public {
        uint64 rows = uint64(type(uint32).max) + 1;
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.TooManyRows.selector, rows));
        datasets.publish(MANIFEST, RAW, ROOT, PROFILE, rows, owner);
    }

    function test_publish_refuses_a_missing_custodian() public {
        vm.expectRevert(IDatasetRegistry.ZeroAddress.selector);
        datasets.publish(MANIFEST, RAW, ROOT, PROFILE, ROWS, address(0));
    }

    function test_newVersion_keeps_the_epoch_and_announces_itself() public {
        uint256 id = _publish();
        _mine(5);
        vm.expectEmit(address(datasets));
        emit IDatasetRegistry.DatasetVersion(id, 2, 1, 0x70, 300, CIRCUIT, ROOT, PROFILE);
        vm.expectEmit(address(datasets));
        emit IERC4906.MetadataUpdate(id);
        vm.prank(owner);
        datasets.newVersion(id, CIRCUIT, 0x70, ROOT, PROFILE, 300);
        IDatasetRegistry.Dataset memory d = datasets.get(id);
        vm.assertEq(d.version, 2);
        vm.assertEq(d.epoch, 1);
        vm.assertEq(d.rows, 300);
        vm.assertEq(d.versionBlock, block.number);
        vm.assertEq(d.custodian, custodian);
        vm.assertTrue(datasets.verify(id, CIRCUIT, 0x70, ROOT, PROFILE));
    }

    function testFuzz_newVersion_only_by_the_holder(address caller) public {
        uint256 id = _publish();
        vm.assume(caller != owner);
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.NotDatasetOwner.selector, id, caller));
        vm.prank(caller);
        datasets.newVersion(id, MANIFEST, RAW, ROOT, PROFILE, ROWS);
    }

    function test_newVersion_refuses_a_tombstoned_dataset() public {
        uint256 id = _publish();
        vm.startPrank(owner);
        datasets.tombstone(id, 1, REASON);
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.DatasetTombstoned.selector, id));
        datasets.newVersion(id, MANIFEST, RAW, ROOT, PROFILE, ROWS);
        vm.stopPrank();
    }

    function testFuzz_newEpoch_counts_versions_and_epochs(uint8 count) public {
        uint256 id = _publish();
        uint256 n = _bound(count, 1, 20);
        vm.startPrank(owner);
        for (uint256 i = 0; i < n; ++i) {
            datasets.newEpoch(id, MANIFEST, RAW, ROOT, PROFILE, ROWS);
        }
        vm.stopPrank();
        vm.assertEq(datasets.get(id).epoch, n + 1);
        vm.assertEq(datasets.get(id).version, n + 1);
    }

    function test_newEpoch_brings_a_tombstoned_dataset_back_with_new_keys() public {
        uint256 id = _publish();
        vm.startPrank(owner);
        datasets.tombstone(id, 1, REASON);
        vm.expectEmit(address(datasets));
        emit IDatasetRegistry.DatasetVersion(id, 2, 2, RAW, ROWS, MANIFEST, ROOT, PROFILE);
        vm.expectEmit(address(datasets));
        emit IERC4906.MetadataUpdate(id);
        datasets.newEpoch(id, MANIFEST, RAW, ROOT, PROFILE, ROWS);
        vm.stopPrank();
        vm.assertFalse(datasets.get(id).tombstoned);
    }

    function testFuzz_newEpoch_only_by_the_holder(address caller) public {
        uint256 id = _publish();
        vm.assume(caller != owner);
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.NotDatasetOwner.selector, id, caller));
        vm.prank(caller);
        datasets.newEpoch(id, MANIFEST, RAW, ROOT, PROFILE, ROWS);
    }

    function test_the_256th_epoch_does_not_wrap_around() public {
        uint256 id = _publish();
        vm.startPrank(owner);
        for (uint256 i = 0; i < 254; ++i) {
            datasets.newEpoch(id, MANIFEST, RAW, ROOT, PROFILE, ROWS);
        }
        vm.expectRevert(abi.encodeWithSignature("Panic(uint256)", 0x11));
        datasets.newEpoch(id, MANIFEST, RAW, ROOT, PROFILE, ROWS);
        datasets.tombstone(id, 255, REASON);
        vm.stopPrank();
        vm.assertTrue(datasets.get(id).tombstoned);
    }

    function test_setCustodian_hands_the_answering_over() public {
        uint256 id = _publish();
        vm.expectEmit(address(datasets));
        emit IDatasetRegistry.CustodianChanged(id, stranger);
        vm.prank(owner);
        datasets.setCustodian(id, stranger);
        (address holder, address named) = datasets.parties(id);
        vm.assertEq(holder, owner);
        vm.assertEq(named, stranger);
    }

    function testFuzz_setCustodian_only_by_the_holder_and_only_somebody(address caller, address custodian_) public {
        uint256 id = _publish();
        vm.assume(caller != owner);
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.NotDatasetOwner.selector, id, caller));
        vm.prank(caller);
        datasets.setCustodian(id, custodian_);
        vm.expectRevert(IDatasetRegistry.ZeroAddress.selector);
        vm.prank(owner);
        datasets.setCustodian(id, address(0));
    }

    function test_a_new_holder_takes_every_right_along() public {
        uint256 id = _publish();
        vm.prank(owner);
        datasets.transferFrom(owner, stranger, id);
        vm.prank(stranger);
        datasets.setCustodian(id, stranger);
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.NotDatasetOwner.selector, id, owner));
        vm.prank(owner);
        datasets.setCustodian(id, owner);
    }

    function test_tombstone_of_the_current_epoch_closes_the_dataset() public {
        uint256 id = _publish();
        vm.expectEmit(address(datasets));
        emit IDatasetRegistry.Tombstoned(id, 1, REASON);
        vm.expectEmit(address(datasets));
        emit IERC4906.MetadataUpdate(id);
        vm.prank(owner);
        datasets.tombstone(id, 1, REASON);
        (address holder, bool closed) = datasets.standing(id);
        vm.assertEq(holder, owner);
        vm.assertTrue(closed);
        (uint32 rows, uint16 version, bool closedToo, bytes32 content) = datasets.extent(id);
        vm.assertEq(content, datasets.get(id).content);
        vm.assertEq(rows, ROWS);
        vm.assertEq(version, 1);
        vm.assertTrue(closedToo);
    }

    function test_tombstone_of_an_old_epoch_leaves_the_dataset_open() public {
        uint256 id = _publish();
        vm.startPrank(owner);
        datasets.newEpoch(id, MANIFEST, RAW, ROOT, PROFILE, ROWS);
        datasets.tombstone(id, 1, REASON);
        vm.assertFalse(datasets.get(id).tombstoned);
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.AlreadyTombstoned.selector, id, 1));
        datasets.tombstone(id, 1, REASON);
        vm.stopPrank();
    }

    function testFuzz_tombstone_refuses_epochs_that_never_were(uint256 epoch) public {
        uint256 id = _publish();
        vm.assume(epoch != 1);
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.NoSuchEpoch.selector, id, epoch));
        vm.prank(owner);
        datasets.tombstone(id, epoch, REASON);
    }

    function test_tombstone_refuses_strangers_and_a_missing_statement() public {
        uint256 id = _publish();
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.NotDatasetOwner.selector, id, stranger));
        vm.prank(stranger);
        datasets.tombstone(id, 1, REASON);
        vm.expectRevert(IDatasetRegistry.ZeroDigest.selector);
        vm.prank(owner);
        datasets.tombstone(id, 1, bytes32(0));
    }

    function testFuzz_setRoyalty_is_a_share_of_the_sale(uint96 basisPoints, uint96 salePrice) public {
        uint256 id = _publish();
        uint96 bp = uint96(_bound(basisPoints, 0, 1_000));
        vm.expectEmit(address(datasets));
        emit IDatasetRegistry.RoyaltySet(id, stranger, bp);
        vm.prank(owner);
        datasets.setRoyalty(id, stranger, bp);
        (address to, uint256 amount) = datasets.royaltyInfo(id, salePrice);
        vm.assertEq(to, stranger);
        vm.assertEq(amount, uint256(salePrice) * bp / 10_000);
    }

    function test_setRoyalty_happens_once_by_the_holder_within_bounds() public {
        uint256 id = _publish();
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.NotDatasetOwner.selector, id, stranger));
        vm.prank(stranger);
        datasets.setRoyalty(id, stranger, 100);
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.RoyaltyTooHigh.selector, 1_001));
        datasets.setRoyalty(id, owner, 1_001);
        vm.expectRevert(IDatasetRegistry.ZeroAddress.selector);
        datasets.setRoyalty(id, address(0), 100);
        datasets.setRoyalty(id, owner, 100);
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.RoyaltyAlreadySet.selector, id));
        datasets.setRoyalty(id, owner, 0);
        vm.stopPrank();
    }

    function test_no_dataset_no_answer() public {
        bytes memory missing = abi.encodeWithSignature("ERC721NonexistentToken(uint256)", 7);
        vm.expectRevert(missing);
        datasets.get(7);
        vm.expectRevert(missing);
        datasets.parties(7);
        vm.expectRevert(missing);
        datasets.standing(7);
        vm.expectRevert(missing);
        datasets.tokenURI(7);
        vm.assertFalse(datasets.verify(7, MANIFEST, RAW, ROOT, PROFILE));
    }

    function test_tokenURI_is_json_that_a_wallet_can_show() public {
        uint256 id = _publish();
        // base64 of {"name":"Darkroom dataset 1",...,"attributes":[rows 285, version 1, epoch 1]}
        vm.assertEq(
            datasets.tokenURI(id),
            _uri(
                '{"name":"Darkroom dataset 1",'
                '"description":"An encrypted table: models may run on it, nobody reads it.",'
                '"attributes":[{"trait_type":"rows","value":285},{"trait_type":"version","value":1},'
                '{"trait_type":"epoch","value":1}]}'
            )
        );
        vm.prank(owner);
        datasets.tombstone(id, 1, REASON);
        vm.assertEq(
            datasets.tokenURI(id),
            _uri(
                '{"name":"Darkroom dataset 1",'
                '"description":"An encrypted table: models may run on it, nobody reads it.",'
                '"attributes":[{"trait_type":"rows","value":285},{"trait_type":"version","value":1},'
                '{"trait_type":"epoch","value":1},{"value":"tombstoned"}]}'
            )
        );
    }

    function test_supportsInterface_names_its_standards() public view {
        vm.assertTrue(datasets.supportsInterface(0x01ffc9a7)); // ERC-165
        vm.assertTrue(datasets.supportsInterface(0x80ac58cd)); // ERC-721
        vm.assertTrue(datasets.supportsInterface(0x5b5e139f)); // ERC-721 metadata
        vm.assertTrue(datasets.supportsInterface(0x2a55205a)); // ERC-2981
        vm.assertTrue(datasets.supportsInterface(0x49064906)); // ERC-4906
        vm.assertFalse(datasets.supportsInterface(0x780e9d63)); // no ERC-721 enumeration
        vm.assertFalse(datasets.supportsInterface(0xffffffff));
    }

    /// @dev An encoder of its own, so that the test does not lean on the library under test.
    function _uri(string memory text) private pure returns (string memory) {
        bytes memory table = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        bytes memory data = bytes(text);
        bytes memory out = new bytes((data.length + 2) / 3 * 4);
        for (uint256 i = 0; i < out.length; ++i) {
            uint256 bit = i * 6;
            uint256 word = uint256(uint8(data[bit / 8 < data.length ? bit / 8 : 0])) << 8;
            if (bit / 8 >= data.length) {
                out[i] = "=";
                continue;
            }
            if (bit / 8 + 1 < data.length) word |= uint8(data[bit / 8 + 1]);
            out[i] = table[(word >> (10 - bit % 8)) & 63];
        }
        return string.concat("data:application/json;base64,", string(out));
    }
}
