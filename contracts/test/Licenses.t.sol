// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILicenseMarket} from "../src/interfaces/ILicenseMarket.sol";
import {World} from "./World.sol";

/// @title Revocation and the use of licenses
contract LicensesTest is World {
    function setUp() public {
        _deploy();
    }

    // --- revoke

    function test_revoke_pays_for_what_was_not_used() public {
        uint256 license = _license();
        vm.warp(block.timestamp + 15 days);
        uint256 before = usd.balanceOf(owner);
        vm.assertEq(licenses.refundOf(license), LICENSE_PRICE / 2);
        vm.expectEmit(address(licenses));
        emit ILicenseMarket.LicenseRevoked(license, owner, LICENSE_PRICE / 2);
        vm.prank(owner);
        vm.assertEq(licenses.revoke(license), LICENSE_PRICE / 2);
        vm.assertEq(before - usd.balanceOf(owner), LICENSE_PRICE / 2);
        vm.assertEq(licenses.claimable(buyer), LICENSE_PRICE / 2);
        vm.assertTrue(licenses.licenseOf(license).revoked);
        vm.assertEq(licenses.refundOf(license), 0);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.LicenseIsRevoked.selector, license));
        vm.prank(owner);
        licenses.revoke(license);
    }

    function testFuzz_revoke_pays_the_smallest_of_the_parts_left(uint32 passed, uint8 used, uint16 rowsUsed) public {
        uint256 license = _license();
        uint256 n = _bound(used, 0, 10);
        uint256 rows = n == 0 ? 0 : _bound(rowsUsed, 1, ROWS);
        vm.startPrank(address(jobs));
        for (uint256 i = 0; i < n; ++i) {
            licenses.consume(license, buyer, 0, rows);
        }
        vm.stopPrank();
        uint256 gone = _bound(passed, 0, 30 days);
        vm.warp(block.timestamp + gone);
        uint256 refund = licenses.refundOf(license);
        uint256 byTime = LICENSE_PRICE * (30 days - gone) / 30 days;
        uint256 byJobs = LICENSE_PRICE * (10 - n) / 10;
        uint256 byRows = LICENSE_PRICE * (10_000 - n * rows) / 10_000;
        vm.assertTrue(refund == byTime || refund == byJobs || refund == byRows);
        vm.assertLe(refund, byTime);
        vm.assertLe(refund, byJobs);
        vm.assertLe(refund, byRows);
        vm.prank(owner);
        vm.assertEq(licenses.revoke(license), refund);
    }

    function test_revoke_spares_running_jobs_and_stops_new_ones() public {
        uint256 job = _assigned(2, 2);
        vm.prank(owner);
        licenses.revoke(1);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.LicenseIsRevoked.selector, 1));
        vm.prank(buyer);
        jobs.open(_order(1, 2));
        _agree(job, 0, RECEIPT);
        _release(job);
        vm.assertEq(_state(job), 6);
    }

    function testFuzz_revoke_only_by_the_present_holder(address caller) public {
        uint256 license = _license();
        vm.prank(owner);
        datasets.transferFrom(owner, stranger, 1);
        vm.assume(caller != stranger);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.NotSeller.selector, 1, caller));
        vm.prank(caller);
        licenses.revoke(license);
    }

    function test_revoke_refuses_what_has_expired_or_never_was() public {
        uint256 license = _license();
        uint256 until = block.timestamp + 30 days;
        vm.warp(until + 1);
        vm.assertEq(licenses.refundOf(license), 0);
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.LicenseExpired.selector, license, until));
        licenses.revoke(license);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.NoSuchLicense.selector, 9));
        licenses.revoke(9);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.NoSuchLicense.selector, 9));
        licenses.licenseOf(9);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.NoSuchLicense.selector, 9));
        licenses.refundOf(9);
    }

    function test_revoke_needs_the_money() public {
        uint256 license = _license();
        vm.startPrank(owner);
        usd.approve(address(licenses), 0);
        vm.expectRevert();
        licenses.revoke(license);
        vm.stopPrank();
        vm.assertFalse(licenses.licenseOf(license).revoked);
    }

    // --- consume, restore

    function test_consume_counts_the_use_and_names_the_price() public {
        uint256 license = _license();
        vm.expectEmit(address(licenses));
        emit ILicenseMarket.LicenseUsed(license, 9, 10_000 - ROWS);
        vm.prank(address(jobs));
        (uint256 offer, uint256 dataset, uint256 price, uint16 version, bytes32 content) =
            licenses.consume(license, buyer, 0, ROWS);
        vm.assertEq(content, keccak256(abi.encode(MANIFEST, RAW, ROOT, PROFILE)));
        vm.assertEq(offer, 1);
        vm.assertEq(dataset, 1);
        vm.assertEq(price, JOB_PRICE);
        vm.assertEq(version, 1);
    }

    function testFuzz_consume_never_gives_more_than_was_bought(uint16[20] calldata rows) public {
        uint256 license = _license();
        uint256 left = 10_000;
        uint256 done = 0;
        for (uint256 i = 0; i < rows.length; ++i) {
            uint256 n = _bound(rows[i], 1, ROWS);
            vm.prank(address(jobs));
            if (done == 10) vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.NoJobsLeft.selector, license));
            licenses.consume(license, buyer, 0, n);
            if (done == 10) continue;
            ++done;
            left -= n;
            vm.assertEq(licenses.licenseOf(license).jobsLeft, 10 - done);
            vm.assertEq(licenses.licenseOf(license).rowsLeft, left);
        }
    }

    function test_consume_refuses_more_rows_than_are_left() public {
        uint256 dataset = _publish();
        ILicenseMarket.Terms memory t = _terms(dataset);
        t.maxRows = 300;
        vm.prank(owner);
        uint256 offer = licenses.createOffer(t, new ILicenseMarket.Share[](0));
        vm.prank(buyer);
        uint256 license = licenses.buy(offer);
        vm.startPrank(address(jobs));
        licenses.consume(license, buyer, 0, 200);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.NoRowsLeft.selector, license, 100, 101));
        licenses.consume(license, buyer, 0, 101);
        licenses.consume(license, buyer, 0, 100);
        vm.stopPrank();
    }

    function testFuzz_consume_refuses_rows_outside_the_dataset(uint64 firstRow, uint64 rows) public {
        uint256 license = _license();
        if (rows != 0 && rows <= ROWS && firstRow <= ROWS - rows) rows = uint64(ROWS) + 1;
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.RowsOutsideDataset.selector, 1, firstRow, rows));
        vm.prank(address(jobs));
        licenses.consume(license, buyer, firstRow, rows);
    }

    function test_consume_accepts_the_last_row_and_refuses_the_one_after() public {
        uint256 license = _license();
        vm.startPrank(address(jobs));
        licenses.consume(license, buyer, ROWS - 1, 1);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.RowsOutsideDataset.selector, 1, ROWS, 1));
        licenses.consume(license, buyer, ROWS, 1);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.RowsOutsideDataset.selector, 1, 0, 0));
        licenses.consume(license, buyer, 0, 0);
        vm.stopPrank();
    }

    function test_consume_until_the_last_second_and_not_after() public {
        uint256 license = _license();
        uint256 until = block.timestamp + 30 days;
        vm.startPrank(address(jobs));
        vm.warp(until);
        licenses.consume(license, buyer, 0, 1);
        vm.warp(until + 1);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.LicenseExpired.selector, license, until));
        licenses.consume(license, buyer, 0, 1);
        vm.stopPrank();
    }

    function test_consume_refuses_another_buyer_a_closed_dataset_and_no_license() public {
        uint256 license = _license();
        vm.startPrank(address(jobs));
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.NotLicenseHolder.selector, license, stranger));
        licenses.consume(license, stranger, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.NoSuchLicense.selector, 5));
        licenses.consume(5, buyer, 0, 1);
        vm.stopPrank();
        vm.prank(owner);
        datasets.tombstone(1, 1, REASON);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.DatasetClosed.selector, 1));
        vm.prank(address(jobs));
        licenses.consume(license, buyer, 0, 1);
    }

    function testFuzz_consume_and_restore_only_by_the_job_market(address caller) public {
        uint256 license = _license();
        vm.assume(caller != address(jobs));
        vm.startPrank(caller);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.OnlyJobMarket.selector, caller));
        licenses.consume(license, buyer, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.OnlyJobMarket.selector, caller));
        licenses.restore(license, 1);
        vm.stopPrank();
    }

    function testFuzz_restore_gives_back_what_was_taken(uint16 rows) public {
        uint256 license = _license();
        uint256 n = _bound(rows, 1, ROWS);
        vm.startPrank(address(jobs));
        licenses.consume(license, buyer, 0, n);
        vm.expectEmit(address(licenses));
        emit ILicenseMarket.LicenseRestored(license, 10, 10_000);
        licenses.restore(license, n);
        vm.expectRevert();
        licenses.restore(license, n);
        vm.stopPrank();
        vm.assertEq(licenses.licenseOf(license).jobsLeft, 10);
        vm.assertEq(licenses.licenseOf(license).rowsLeft, 10_000);
    }
}
