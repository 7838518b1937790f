// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILicenseMarket} from "../src/interfaces/ILicenseMarket.sol";
import {IMandates} from "../src/agents/IMandates.sol";
import {MandateAccount} from "../src/agents/MandateAccount.sol";
import {Mandates} from "../src/agents/Mandates.sol";
import {MandateWorld} from "./MandateWorld.sol";

/// @title What an agent can do under a mandate, and how its payer ends it
contract MandatesTest is MandateWorld {
    function test_an_agent_buys_and_orders_with_the_mandates_money_alone() public {
        (IMandates.Mandate memory mandate, bytes memory signature, bytes32 id) = _funded();
        address account = mandates.accountOf(id);
        vm.expectEmit(address(mandates));
        emit IMandates.MandateGranted(id, payer, agent, account, mandate);
        vm.expectEmit(address(mandates));
        emit IMandates.MandateUsed(id, 1, 1, 1, POLICY, LICENSE_PRICE, LICENSE_PRICE, 1);
        uint256 license = _buy(mandate, signature);
        vm.assertEq(licenses.licenseOf(license).buyer, account);
        vm.assertEq(mandates.mandateOf(account), id);
        vm.expectEmit(address(mandates));
        emit IMandates.MandateUsed(id, 1, 2, 1, POLICY, JOB_COST, LICENSE_PRICE + JOB_COST, 2);
        uint256 job = _run(mandate, signature, license);
        vm.assertEq(jobs.get(job).buyer, account);
        vm.assertEq(usd.balanceOf(account), LICENSE_PRICE - JOB_COST);
        vm.assertEq(usd.balanceOf(agent), 0);
        vm.assertEq(usd.balanceOf(address(mandates)), 0);
        IMandates.Usage memory usage = mandates.usageOf(id);
        vm.assertEq(uint256(usage.spent), LICENSE_PRICE + JOB_COST);
        vm.assertEq(uint256(usage.occurrences), 2);
        vm.assertEq(uint256(usage.grantedBlock), block.number);
    }

    function test_grant_announces_once_and_by_anyone() public {
        IMandates.Mandate memory mandate = _mandate();
        bytes memory signature = _sign(mandate);
        bytes32 id = mandates.digestOf(mandate);
        vm.prank(stranger);
        address account = mandates.grant(mandate, signature);
        vm.assertEq(account, mandates.accountOf(id));
        vm.assertGt(account.code.length, 0, "code");
        vm.roll(block.number + 5);
        vm.assertEq(mandates.grant(mandate, signature), account);
        vm.assertEq(uint256(mandates.usageOf(id).grantedBlock), block.number - 5);
    }

    function test_refunds_return_to_the_account_and_are_spent_from_there() public {
        (IMandates.Mandate memory mandate, bytes memory signature, bytes32 id) = _funded();
        address account = mandates.accountOf(id);
        _bondFirst(3);
        uint256 license = _buy(mandate, signature);
        uint256 job = _run(mandate, signature, license);
        vm.warp(block.timestamp + DRAW + 1);
        jobs.expire(job);
        vm.assertEq(jobs.claimable(account), JOB_COST);
        // What is left does not pay for this one, so the refund is fetched.
        vm.prank(payer);
        vm.assertEq(mandates.withdraw(mandate), LICENSE_PRICE);
        _fill(mandate, JOB_COST - 1);
        vm.expectRevert(_error(IMandates.BalanceTooSmall.selector, id, JOB_COST, JOB_COST - 1));
        _run(mandate, signature, license);
        _fill(mandate, 1);
        uint256 second = _run(mandate, signature, license);
        vm.warp(block.timestamp + DRAW + 1);
        jobs.expire(second);
        _run(mandate, signature, license);
        vm.assertEq(jobs.claimable(account), 0);
    }

    function test_a_license_that_its_seller_takes_back_pays_the_payer() public {
        (IMandates.Mandate memory mandate, bytes memory signature, bytes32 id) = _funded();
        uint256 license = _buy(mandate, signature);
        vm.prank(owner);
        uint256 back = licenses.revoke(license);
        uint256 before = usd.balanceOf(payer);
        vm.expectEmit(address(mandates));
        emit IMandates.MandateWithdrawn(id, payer, LICENSE_PRICE + back);
        vm.prank(payer);
        vm.assertEq(mandates.withdraw(mandate), LICENSE_PRICE + back);
        vm.assertEq(usd.balanceOf(payer) - before, LICENSE_PRICE + back);
        vm.prank(payer);
        vm.assertEq(mandates.withdraw(mandate), 0);
    }

    function test_money_sent_before_anything_else_returns() public {
        (IMandates.Mandate memory mandate,, bytes32 id) = _funded();
        vm.expectRevert(abi.encodeWithSelector(IMandates.NotPayer.selector, id, agent));
        vm.prank(agent);
        mandates.withdraw(mandate);
        vm.warp(uint256(mandate.notAfter) + 1);
        vm.prank(stranger);
        vm.assertEq(mandates.withdraw(mandate), 2 * LICENSE_PRICE);
        vm.assertEq(usd.balanceOf(payer), 1_000 * USD);
        vm.assertEq(mandates.mandateOf(mandates.accountOf(id)), bytes32(0));
    }

    function test_revocation_holds_at_once_for_the_payer_alone() public {
        (IMandates.Mandate memory mandate, bytes memory signature, bytes32 id) = _funded();
        vm.prank(stranger);
        mandates.revoke(id);
        _buy(mandate, signature);
        vm.expectEmit(address(mandates));
        emit IMandates.MandateRevoked(id, payer);
        vm.prank(payer);
        mandates.revoke(id);
        bytes memory why = abi.encodeWithSelector(IMandates.MandateIsRevoked.selector, id);
        _refused(mandate, signature, why);
        vm.expectRevert(why);
        mandates.grant(mandate, signature);
        vm.prank(stranger);
        vm.assertEq(mandates.withdraw(mandate), LICENSE_PRICE);
    }

    function test_a_payer_voids_all_below_a_nonce() public {
        (IMandates.Mandate memory mandate, bytes memory signature, bytes32 id) = _funded();
        vm.startPrank(payer);
        mandates.voidBelow(7);
        vm.stopPrank();
        _buy(mandate, signature);
        vm.startPrank(payer);
        vm.expectEmit(address(mandates));
        emit IMandates.MandatesVoided(payer, 8);
        mandates.voidBelow(8);
        vm.expectRevert(abi.encodeWithSelector(IMandates.NonceOnlyGrows.selector, payer, 8));
        mandates.voidBelow(8);
        vm.stopPrank();
        _refused(mandate, signature, abi.encodeWithSelector(IMandates.MandateIsRevoked.selector, id));
    }

    function test_accounts_obey_the_mandates_alone() public {
        (IMandates.Mandate memory mandate, bytes memory signature, bytes32 id) = _funded();
        uint256 license = _buy(mandate, signature);
        MandateAccount account = MandateAccount(mandates.accountOf(id));
        bytes memory why = abi.encodeWithSelector(MandateAccount.OnlyMandates.selector, agent);
        vm.startPrank(agent);
        vm.expectRevert(why);
        account.buy(offer, LICENSE_PRICE);
        vm.expectRevert(why);
        account.open(_order(license, 2), JOB_COST);
        vm.expectRevert(why);
        account.reclaim();
        vm.expectRevert(why);
        account.empty(agent);
        vm.stopPrank();
        vm.assertEq(account.mandates(), address(mandates));
    }

    function test_a_mandate_uses_its_own_licenses_only() public {
        (IMandates.Mandate memory mandate, bytes memory signature,) = _funded();
        vm.prank(buyer);
        uint256 others = licenses.buy(offer);
        bytes32 id = mandates.digestOf(mandate);
        address account = mandates.accountOf(id);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.NotLicenseHolder.selector, others, account));
        _run(mandate, signature, others);
        vm.assertEq(uint256(mandates.usageOf(id).spent), 0);
    }

    function test_lists_are_bounded() public {
        IMandates.Mandate memory mandate = _mandate();
        mandate.datasets = new uint256[](33);
        bytes memory signature = _sign(mandate);
        vm.expectRevert(IMandates.BadMandate.selector);
        mandates.grant(mandate, signature);
        mandate = _mandate();
        mandate.policies = new bytes32[](33);
        signature = _sign(mandate);
        vm.expectRevert(IMandates.BadMandate.selector);
        mandates.grant(mandate, signature);
    }

    function test_it_is_wired_as_the_job_market_is() public view {
        vm.assertEq(address(mandates.jobs()), address(jobs));
        vm.assertEq(address(mandates.licenses()), address(licenses));
        vm.assertEq(address(mandates.token()), address(usd));
    }
}
