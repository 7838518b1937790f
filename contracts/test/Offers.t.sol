// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILicenseMarket} from "../src/interfaces/ILicenseMarket.sol";
import {IPayments} from "../src/interfaces/IPayments.sol";
import {Permits} from "../src/Permits.sol";
import {World} from "./World.sol";

/// @title Offers, purchases, and the split of what they earn
contract OffersTest is World {
    function setUp() public {
        _deploy();
    }

    // --- createOffer

    function test_createOffer_keeps_the_terms_and_tells_them() public {
        uint256 dataset = _publish();
        ILicenseMarket.Share[] memory shares = _twoShares();
        vm.expectEmit(address(licenses));
        emit ILicenseMarket.OfferCreated(1, dataset, owner, _terms(dataset), shares);
        vm.prank(owner);
        uint256 offer = licenses.createOffer(_terms(dataset), shares);
        vm.assertEq(offer, 1);
        vm.assertEq(licenses.offerCount(), 1);
        ILicenseMarket.Offer memory o = licenses.offerOf(offer);
        vm.assertEq(o.dataset, dataset);
        vm.assertEq(o.seller, owner);
        vm.assertEq(o.priceLicense, LICENSE_PRICE);
        vm.assertEq(o.priceJob, 100_000);
        vm.assertEq(o.priceRow, 1_000);
        vm.assertEq(o.maxJobs, 10);
        vm.assertEq(o.maxRows, 10_000);
        vm.assertEq(o.duration, 30 days);
        vm.assertEq(o.policy, POLICY);
        vm.assertTrue(o.active);
        ILicenseMarket.Share[] memory kept = licenses.sharesOf(offer);
        vm.assertEq(kept.length, 2);
        vm.assertEq(kept[0].account, owner);
        vm.assertEq(kept[1].basisPoints, 3_333);
    }

    function testFuzz_createOffer_packs_without_loss(
        uint80 priceLicense,
        uint72 priceJob,
        uint64 priceRow,
        uint24 maxJobs,
        uint40 maxRows,
        uint32 duration,
        bytes32 policy,
        uint32 microBits,
        uint32 left
    ) public {
        vm.assume(maxJobs != 0 && maxRows != 0 && duration != 0 && policy != 0 && microBits != 0 && left != 0);
        uint256 dataset = _publish();
        vm.prank(owner);
        uint256 offer = licenses.createOffer(
            ILicenseMarket.Terms(
                dataset,
                priceLicense,
                priceJob,
                priceRow,
                maxJobs,
                maxRows,
                duration,
                policy,
                microBits,
                left,
                type(uint64).max
            ),
            new ILicenseMarket.Share[](0)
        );
        ILicenseMarket.Offer memory o = licenses.offerOf(offer);
        vm.assertEq(o.priceLicense, priceLicense);
        vm.assertEq(o.priceJob, priceJob);
        vm.assertEq(o.priceRow, priceRow);
        vm.assertEq(o.maxJobs, maxJobs);
        vm.assertEq(o.maxRows, maxRows);
        vm.assertEq(o.duration, duration);
        vm.assertEq(o.policy, policy);
        vm.assertEq(o.microBits, microBits);
        vm.assertEq(o.licensesLeft, left);
        (, uint256 reserved) = licenses.budgetOf(dataset);
        vm.assertEq(reserved, uint256(microBits) * left);
    }

    function test_createOffer_refuses_each_term_out_of_bounds() public {
        uint256 dataset = _publish();
        for (uint256 i = 0; i < 12; ++i) {
            ILicenseMarket.Terms memory t = _terms(dataset);
            if (i == 0) t.priceLicense = uint256(type(uint80).max) + 1;
            if (i == 1) t.priceJob = uint256(type(uint72).max) + 1;
            if (i == 2) t.priceRow = uint256(type(uint64).max) + 1;
            if (i == 3) t.maxJobs = 0;
            if (i == 4) t.maxJobs = uint32(type(uint24).max) + 1;
            if (i == 5) t.maxRows = 0;
            if (i == 6) t.maxRows = uint64(type(uint40).max) + 1;
            if (i == 7) t.duration = 0;
            if (i == 8) t.duration = uint40(type(uint32).max) + 1;
            if (i == 9) t.policy = bytes32(0);
            if (i == 10) t.microBits = 0;
            if (i == 11) t.licenses = 0;
            vm.expectRevert(ILicenseMarket.BadTerms.selector);
            vm.prank(owner);
            licenses.createOffer(t, new ILicenseMarket.Share[](0));
        }
    }

    function testFuzz_createOffer_only_by_the_datasets_holder(address caller) public {
        uint256 dataset = _publish();
        vm.assume(caller != owner);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.NotSeller.selector, dataset, caller));
        vm.prank(caller);
        licenses.createOffer(_terms(dataset), new ILicenseMarket.Share[](0));
    }

    function test_createOffer_refuses_a_tombstoned_dataset() public {
        uint256 dataset = _publish();
        vm.startPrank(owner);
        datasets.tombstone(dataset, 1, REASON);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.DatasetClosed.selector, dataset));
        licenses.createOffer(_terms(dataset), new ILicenseMarket.Share[](0));
        vm.stopPrank();
    }

    function test_createOffer_refuses_shares_that_do_not_add_up() public {
        uint256 dataset = _publish();
        for (uint256 i = 0; i < 4; ++i) {
            ILicenseMarket.Share[] memory shares = i == 0 ? new ILicenseMarket.Share[](9) : _twoShares();
            if (i == 1) shares[0].account = address(0);
            if (i == 2) shares[1].basisPoints = 0;
            if (i == 3) shares[1].basisPoints += 1;
            vm.expectRevert(ILicenseMarket.BadShares.selector);
            vm.prank(owner);
            licenses.createOffer(_terms(dataset), shares);
        }
    }

    function test_offerOf_refuses_an_unknown_offer() public {
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.NoSuchOffer.selector, 1));
        licenses.offerOf(1);
    }

    // --- deactivate

    function test_deactivate_stops_sales_and_spares_licenses() public {
        uint256 license = _license();
        vm.expectEmit(address(licenses));
        emit ILicenseMarket.OfferDeactivated(1);
        vm.prank(owner);
        licenses.deactivate(1);
        vm.assertFalse(licenses.offerOf(1).active);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.OfferInactive.selector, 1));
        vm.prank(buyer);
        licenses.buy(1);
        vm.assertGt(_open(license, 2), 0, "an old license still opens jobs");
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.OfferInactive.selector, 1));
        vm.prank(owner);
        licenses.deactivate(1);
    }

    function testFuzz_deactivate_only_by_the_seller(address caller) public {
        uint256 offer = _offer();
        vm.assume(caller != owner);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.NotSeller.selector, 1, caller));
        vm.prank(caller);
        licenses.deactivate(offer);
    }

    // --- buy

    function test_buy_takes_the_price_and_starts_the_clock() public {
        uint256 offer = _offer();
        uint256 before = usd.balanceOf(buyer);
        vm.expectEmit(address(licenses));
        emit IPayments.Earned(offer, LICENSE_PRICE);
        vm.expectEmit(address(licenses));
        emit ILicenseMarket.LicenseBought(1, offer, buyer, LICENSE_PRICE, uint40(block.timestamp + 30 days));
        vm.prank(buyer);
        uint256 license = licenses.buy(offer);
        vm.assertEq(license, 1);
        vm.assertEq(licenses.licenseCount(), 1);
        vm.assertEq(before - usd.balanceOf(buyer), LICENSE_PRICE);
        ILicenseMarket.License memory l = licenses.licenseOf(license);
        vm.assertEq(l.offer, offer);
        vm.assertEq(l.dataset, 1);
        vm.assertEq(l.buyer, buyer);
        vm.assertEq(l.validFrom, block.timestamp);
        vm.assertEq(l.validUntil, block.timestamp + 30 days);
        vm.assertEq(l.jobsLeft, 10);
        vm.assertEq(l.rowsLeft, 10_000);
        vm.assertEq(l.policy, POLICY);
        vm.assertFalse(l.revoked);
        (uint256 received, uint256 distributed) = licenses.earnings(offer);
        vm.assertEq(received, LICENSE_PRICE);
        vm.assertEq(distributed, 0);
    }

    function testFuzz_buy_at_any_price(uint80 price) public {
        uint256 dataset = _publish();
        ILicenseMarket.Terms memory t = _terms(dataset);
        t.priceLicense = price = uint80(_bound(price, 0, 900_000 * USD));
        vm.prank(owner);
        uint256 offer = licenses.createOffer(t, new ILicenseMarket.Share[](0));
        vm.prank(buyer);
        licenses.buy(offer);
        vm.assertEq(usd.balanceOf(address(licenses)), price);
        (uint256 received,) = licenses.earnings(offer);
        vm.assertEq(received, price);
    }

    function test_buy_refuses_an_unknown_offer() public {
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.NoSuchOffer.selector, 3));
        vm.prank(buyer);
        licenses.buy(3);
    }

    function test_buy_refuses_an_offer_whose_seller_sold_the_dataset() public {
        uint256 offer = _offer();
        vm.prank(owner);
        datasets.transferFrom(owner, stranger, 1);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.SellerSoldDataset.selector, offer));
        vm.prank(buyer);
        licenses.buy(offer);
    }

    function test_buy_refuses_a_tombstoned_dataset() public {
        uint256 offer = _offer();
        vm.prank(owner);
        datasets.tombstone(1, 1, REASON);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.DatasetClosed.selector, 1));
        vm.prank(buyer);
        licenses.buy(offer);
    }

    function test_buy_refuses_an_empty_purse() public {
        uint256 offer = _offer();
        vm.expectRevert();
        vm.prank(stranger);
        licenses.buy(offer);
    }

    // --- buyWithPermit

    function test_buyWithPermit_needs_no_approval() public {
        uint256 offer = _offer();
        vm.prank(buyer);
        usd.approve(address(licenses), 0);
        (uint8 v, bytes32 r, bytes32 s) = _signPermit(address(licenses), LICENSE_PRICE, block.timestamp);
        vm.expectEmit(address(licenses));
        emit ILicenseMarket.LicenseBought(1, offer, buyer, LICENSE_PRICE, uint40(block.timestamp + 30 days));
        vm.prank(buyer);
        licenses.buyWithPermit(offer, block.timestamp, v, r, s);
        vm.assertEq(licenses.licenseOf(1).buyer, buyer);
    }

    function test_buyWithPermit_survives_a_permit_that_somebody_used_up_first() public {
        uint256 offer = _offer();
        vm.prank(buyer);
        usd.approve(address(licenses), 0);
        (uint8 v, bytes32 r, bytes32 s) = _signPermit(address(licenses), LICENSE_PRICE, block.timestamp);
        usd.permit(buyer, address(licenses), LICENSE_PRICE, block.timestamp, v, r, s);
        vm.prank(buyer);
        licenses.buyWithPermit(offer, block.timestamp, v, r, s);
        vm.assertEq(licenses.licenseCount(), 1);
    }

    function testFuzz_buyWithPermit_refuses_a_bad_permit_without_allowance(uint256 low, bytes32 r) public {
        uint256 offer = _offer();
        low = _bound(low, 0, LICENSE_PRICE - 1);
        vm.prank(buyer);
        usd.approve(address(licenses), low);
        vm.expectRevert(abi.encodeWithSelector(Permits.NoAllowance.selector, low, LICENSE_PRICE));
        vm.prank(buyer);
        licenses.buyWithPermit(offer, block.timestamp, 27, r, bytes32(uint256(1)));
    }

    // --- collect, withdraw

    function test_collect_splits_and_loses_nothing_to_rounding() public {
        uint256 dataset = _publish();
        ILicenseMarket.Terms memory t = _terms(dataset);
        t.priceLicense = 101;
        vm.prank(owner);
        uint256 offer = licenses.createOffer(t, _twoShares());
        vm.prank(buyer);
        licenses.buy(offer);
        vm.expectEmit(address(licenses));
        emit IPayments.Collected(offer, owner, 67);
        vm.expectEmit(address(licenses));
        emit IPayments.Collected(offer, stranger, 34);
        vm.assertEq(licenses.collect(offer), 101);
        vm.assertEq(licenses.claimable(owner), 67);
        vm.assertEq(licenses.claimable(stranger), 34);
        (uint256 received, uint256 distributed) = licenses.earnings(offer);
        vm.assertEq(received, distributed);
    }

    function testFuzz_collect_shares_are_exact_to_one_unit(uint80 price, uint16 cut) public {
        uint256 dataset = _publish();
        ILicenseMarket.Terms memory t = _terms(dataset);
        t.priceLicense = price = uint80(_bound(price, 1, 900_000 * USD));
        ILicenseMarket.Share[] memory shares = _twoShares();
        shares[0].basisPoints = uint16(_bound(cut, 1, 9_999));
        shares[1].basisPoints = 10_000 - shares[0].basisPoints;
        vm.prank(owner);
        uint256 offer = licenses.createOffer(t, shares);
        vm.prank(buyer);
        licenses.buy(offer);
        vm.assertEq(licenses.collect(offer), price);
        vm.assertEq(licenses.claimable(owner), uint256(price) * shares[0].basisPoints / 10_000);
        vm.assertEq(licenses.claimable(owner) + licenses.claimable(stranger), price);
    }

    function test_collect_pays_the_same_money_once() public {
        _license();
        licenses.collect(1);
        vm.expectRevert(abi.encodeWithSelector(IPayments.NothingToCollect.selector, 1));
        licenses.collect(1);
        vm.assertEq(licenses.claimable(owner), LICENSE_PRICE);
    }

    function test_collect_with_eight_beneficiaries_fits_a_transaction() public {
        uint256 dataset = _publish();
        ILicenseMarket.Share[] memory shares = new ILicenseMarket.Share[](8);
        for (uint256 i = 0; i < 8; ++i) {
            shares[i] = ILicenseMarket.Share(address(uint160(0x800 + i)), 1_250);
        }
        vm.prank(owner);
        uint256 offer = licenses.createOffer(_terms(dataset), shares);
        vm.prank(buyer);
        licenses.buy(offer);
        uint256 gas = gasleft();
        licenses.collect(offer);
        vm.assertLe(gas - gasleft(), 400_000);
        vm.assertEq(licenses.claimable(address(0x807)), LICENSE_PRICE / 8);
    }

    function test_withdraw_pays_the_whole_claim_once() public {
        _license();
        licenses.collect(1);
        uint256 before = usd.balanceOf(owner);
        vm.expectEmit(address(licenses));
        emit IPayments.Withdrawn(owner, LICENSE_PRICE);
        vm.prank(owner);
        vm.assertEq(licenses.withdraw(), LICENSE_PRICE);
        vm.assertEq(usd.balanceOf(owner) - before, LICENSE_PRICE);
        vm.assertEq(licenses.claimable(owner), 0);
        vm.expectRevert(abi.encodeWithSelector(IPayments.NothingToWithdraw.selector, owner));
        vm.prank(owner);
        licenses.withdraw();
    }

    function testFuzz_withdraw_gives_nothing_to_others(address caller) public {
        _license();
        licenses.collect(1);
        vm.assume(caller != owner);
        vm.expectRevert(abi.encodeWithSelector(IPayments.NothingToWithdraw.selector, caller));
        vm.prank(caller);
        licenses.withdraw();
    }

    function _twoShares() private view returns (ILicenseMarket.Share[] memory shares) {
        shares = new ILicenseMarket.Share[](2);
        shares[0] = ILicenseMarket.Share(owner, 6_667);
        shares[1] = ILicenseMarket.Share(stranger, 3_333);
    }
}
