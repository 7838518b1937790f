// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILicenseMarket} from "../src/interfaces/ILicenseMarket.sol";
import {World} from "./World.sol";

/// @title Bits: what a dataset sells of each person, what offers reserve of it, what returns
contract BitsTest is World {
    function setUp() public {
        _deploy();
    }

    function _try(uint256 dataset, uint32 microBits, uint32 count, uint64 budget) private returns (uint256) {
        ILicenseMarket.Terms memory t = _terms(dataset);
        (t.microBits, t.licenses, t.budget) = (microBits, count, budget);
        vm.prank(owner);
        return licenses.createOffer(t, new ILicenseMarket.Share[](0));
    }

    function _reserved(uint256 dataset) private view returns (uint256 reserved) {
        (, reserved) = licenses.budgetOf(dataset);
    }

    // --- reserving

    function test_an_offer_sets_the_budget_and_reserves_what_its_licenses_guarantee() public {
        uint256 dataset = _publish();
        vm.expectEmit(address(licenses));
        emit ILicenseMarket.BudgetSet(dataset, 60);
        vm.expectEmit(address(licenses));
        emit ILicenseMarket.BudgetReserved(dataset, 24);
        _try(dataset, 8, 3, 60);
        (uint256 budget, uint256 reserved) = licenses.budgetOf(dataset);
        vm.assertEq(budget, 60);
        vm.assertEq(reserved, 24);
    }

    function testFuzz_offers_reserve_no_more_than_the_budget(uint32 bits, uint32 count, uint64 budget) public {
        uint256 dataset = _publish();
        _try(dataset, 8, 3, 60);
        (uint256 b, uint256 n) = (_bound(bits, 1, 1_000), _bound(count, 1, 1_000));
        uint256 total = _bound(budget, 60, 1_000_000);
        if (b * n > total - 24) {
            vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.BudgetExceeded.selector, dataset, total - 24, b * n));
        }
        _try(dataset, uint32(b), uint32(n), uint64(total));
        vm.assertLe(_reserved(dataset), total);
    }

    function testFuzz_a_budget_only_grows(uint64 budget) public {
        uint256 dataset = _publish();
        _try(dataset, 8, 3, 60);
        budget = uint64(_bound(budget, 0, 59));
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.BudgetOnlyGrows.selector, dataset, 60));
        _try(dataset, 1, 1, budget);
    }

    function test_the_greatest_offer_fits_and_the_next_license_does_not() public {
        uint256 dataset = _publish();
        _try(dataset, type(uint32).max, type(uint32).max, type(uint64).max);
        _try(dataset, 2, type(uint32).max, type(uint64).max); // (2^32 - 1)^2 + 2 (2^32 - 1) = 2^64 - 1
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.BudgetExceeded.selector, dataset, 0, 1));
        _try(dataset, 1, 1, type(uint64).max);
    }

    function test_a_budget_belongs_to_its_dataset() public {
        uint256 first = _publish();
        uint256 second = _publish();
        _try(first, 8, 7, 60);
        _try(second, 8, 7, 60);
        vm.assertEq(_reserved(first), 56);
        vm.assertEq(_reserved(second), 56);
    }

    // --- selling

    function test_the_last_license_closes_the_offer() public {
        uint256 dataset = _publish();
        uint256 offer = _try(dataset, 8, 2, 60);
        vm.startPrank(buyer);
        licenses.buy(offer);
        vm.assertEq(licenses.offerOf(offer).licensesLeft, 1);
        vm.assertTrue(licenses.offerOf(offer).active);
        vm.expectEmit(address(licenses));
        emit ILicenseMarket.OfferDeactivated(offer);
        uint256 license = licenses.buy(offer);
        vm.assertFalse(licenses.offerOf(offer).active);
        vm.assertEq(licenses.licenseOf(license).microBits, 8);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.SoldOut.selector, offer));
        licenses.buy(offer);
        vm.stopPrank();
        vm.assertEq(_reserved(dataset), 16);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.OfferInactive.selector, offer));
        vm.prank(owner);
        licenses.deactivate(offer);
    }

    function test_a_free_license_is_counted_too() public {
        uint256 dataset = _publish();
        ILicenseMarket.Terms memory t = _terms(dataset);
        (t.priceLicense, t.licenses) = (0, 1);
        vm.prank(owner);
        uint256 offer = licenses.createOffer(t, new ILicenseMarket.Share[](0));
        vm.startPrank(buyer);
        licenses.buy(offer);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.SoldOut.selector, offer));
        licenses.buy(offer);
        vm.stopPrank();
    }

    function test_deactivate_gives_the_unsold_back() public {
        uint256 dataset = _publish();
        uint256 offer = _try(dataset, 8, 5, 60);
        vm.prank(buyer);
        licenses.buy(offer);
        vm.expectEmit(address(licenses));
        emit ILicenseMarket.BudgetReserved(dataset, 8);
        vm.prank(owner);
        licenses.deactivate(offer);
        vm.assertEq(_reserved(dataset), 8);
        vm.assertEq(licenses.offerOf(offer).licensesLeft, 0);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.OfferInactive.selector, offer));
        vm.prank(buyer);
        licenses.buy(offer);
    }

    function test_a_new_holder_closes_the_offers_of_the_one_before() public {
        uint256 dataset = _publish();
        uint256 offer = _try(dataset, 8, 7, 60);
        vm.prank(owner);
        datasets.transferFrom(owner, stranger, dataset);
        vm.prank(stranger);
        licenses.deactivate(offer);
        vm.assertEq(_reserved(dataset), 0);
    }

    function testFuzz_deactivate_only_by_seller_or_holder(address caller) public {
        uint256 offer = _offer();
        vm.assume(caller != owner && caller != address(0));
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.NotSeller.selector, 1, caller));
        vm.prank(caller);
        licenses.deactivate(offer);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.NotSeller.selector, 0, caller));
        vm.prank(caller);
        licenses.deactivate(offer + 1);
    }

    // --- settling

    function _settle(address caller, uint256 license, uint256 used) private {
        vm.prank(caller);
        licenses.settleLicense(license, used);
    }

    function testFuzz_an_expired_license_gives_back_what_it_did_not_use(uint32 used) public {
        uint256 license = _license();
        uint256 before = _reserved(1);
        vm.warp(block.timestamp + 30 days + 1);
        used = uint32(_bound(used, 0, BITS));
        vm.expectEmit(address(licenses));
        emit ILicenseMarket.LicenseSettled(license, used);
        vm.expectEmit(address(licenses));
        emit ILicenseMarket.BudgetReserved(1, before - BITS + used);
        _settle(custodian, license, used);
        vm.assertEq(_reserved(1), before - BITS + used);
        vm.assertTrue(licenses.licenseOf(license).settled);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.AlreadySettled.selector, license));
        _settle(owner, license, used);
    }

    function test_a_license_that_can_still_be_used_is_not_settled() public {
        uint256 license = _license();
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.LicenseNotOver.selector, license));
        _settle(owner, license, 0);
        vm.prank(owner);
        licenses.revoke(license);
        _settle(owner, license, 0);
    }

    function test_a_license_with_no_jobs_or_no_rows_left_is_over_when_the_last_job_must_be() public {
        uint256 license = _license();
        vm.startPrank(address(jobs));
        for (uint256 i = 0; i < 10; ++i) {
            licenses.consume(license, buyer, 0, 1);
        }
        vm.stopPrank();
        uint256 until = block.timestamp + jobs.longestLife();
        vm.warp(until);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.JobsMayRun.selector, license, until));
        _settle(custodian, license, 0);
        vm.warp(until + 1);
        _settle(custodian, license, BITS);
        vm.prank(buyer);
        license = licenses.buy(1);
        vm.startPrank(address(jobs));
        for (uint256 i = 0; i < 9; ++i) {
            licenses.consume(license, buyer, 0, ROWS);
        }
        vm.stopPrank();
        vm.warp(block.timestamp + 29 days); // it lives 30
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.LicenseNotOver.selector, license));
        _settle(custodian, license, 0);
    }

    function test_a_job_given_back_late_opens_no_other_on_a_settled_license() public {
        uint256 license = _license();
        vm.startPrank(address(jobs));
        for (uint256 i = 0; i < 10; ++i) {
            licenses.consume(license, buyer, 0, 1);
        }
        vm.stopPrank();
        vm.warp(block.timestamp + jobs.longestLife() + 1);
        _settle(custodian, license, 0);
        vm.startPrank(address(jobs));
        licenses.restore(license, 1);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.AlreadySettled.selector, license));
        licenses.consume(license, buyer, 0, 1);
        vm.stopPrank();
    }

    function testFuzz_settling_takes_no_more_than_was_guaranteed_and_a_party(address caller, uint256 used) public {
        uint256 license = _license();
        vm.warp(block.timestamp + 30 days + 1);
        vm.assume(caller != owner && caller != custodian);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.NotParty.selector, 1, caller));
        _settle(caller, license, 0);
        vm.assume(used > BITS);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.MoreThanGuaranteed.selector, license, used, BITS));
        _settle(owner, license, used);
    }
}
