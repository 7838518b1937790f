// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILicenseMarket} from "../src/interfaces/ILicenseMarket.sol";
import {IMandates} from "../src/agents/IMandates.sol";
import {Mandates} from "../src/agents/Mandates.sol";
import {MandateWorld, Wallet} from "./MandateWorld.sol";

/// @title Every limit of a mandate, from both sides
contract MandateLimitsTest is MandateWorld {
    function test_only_the_agent_acts() public {
        (IMandates.Mandate memory mandate, bytes memory signature, bytes32 id) = _funded();
        vm.expectRevert(abi.encodeWithSelector(IMandates.NotAgent.selector, id, payer));
        vm.prank(payer);
        mandates.buyLicense(mandate, signature, offer);
        _buy(mandate, signature);
    }

    function test_no_other_signature_counts() public {
        (IMandates.Mandate memory mandate, bytes memory signature, bytes32 id) = _funded();
        bytes memory why = abi.encodeWithSelector(IMandates.BadMandateSignature.selector, id, payer);
        _refused(mandate, _signAs(BUYER_KEY, mandate), why);
        _refused(mandate, "", why);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(PAYER_KEY, id);
        // The other root of the same signature: OpenZeppelin takes the lower one alone.
        uint256 high = ORDER - uint256(s);
        _refused(mandate, abi.encodePacked(r, bytes32(high), v == 27 ? uint8(28) : uint8(27)), why);
        vm.assertLe(uint256(s), HALF);
        _buy(mandate, signature);
    }

    function test_another_contract_or_chain_is_another_digest() public {
        (IMandates.Mandate memory mandate, bytes memory signature, bytes32 id) = _funded();
        Mandates other = new Mandates(jobs);
        bytes32 there = other.digestOf(mandate);
        vm.assertTrue(there != id);
        vm.expectRevert(abi.encodeWithSelector(IMandates.BadMandateSignature.selector, there, payer));
        vm.prank(agent);
        other.buyLicense(mandate, signature, offer);
    }

    function testFuzz_a_changed_term_is_another_mandate(uint256 budget, uint64 until, uint32 times) public {
        (IMandates.Mandate memory mandate, bytes memory signature, bytes32 id) = _funded();
        vm.assume(budget != mandate.budget || until != mandate.notAfter || times != mandate.maxOccurrences);
        (mandate.budget, mandate.notAfter, mandate.maxOccurrences) = (budget, until, times);
        vm.assertTrue(mandates.digestOf(mandate) != id);
        vm.expectRevert(
            abi.encodeWithSelector(IMandates.BadMandateSignature.selector, mandates.digestOf(mandate), payer)
        );
        mandates.grant(mandate, signature);
    }

    function test_it_holds_from_its_first_second_to_its_last() public {
        IMandates.Mandate memory mandate = _mandate();
        mandate.notBefore = uint64(block.timestamp + 100);
        bytes memory signature = _sign(mandate);
        bytes32 id = _fill(mandate, 2 * LICENSE_PRICE);
        vm.warp(uint256(mandate.notBefore) - 1);
        _refused(
            mandate,
            signature,
            abi.encodeWithSelector(IMandates.MandateNotYetValid.selector, id, uint256(mandate.notBefore))
        );
        vm.warp(mandate.notBefore);
        _buy(mandate, signature);
        vm.warp(mandate.notAfter);
        _buy(mandate, signature);
        vm.warp(uint256(mandate.notAfter) + 1);
        _refused(
            mandate, signature, abi.encodeWithSelector(IMandates.MandateExpired.selector, id, uint256(mandate.notAfter))
        );
    }

    function test_actions_are_granted_one_by_one() public {
        IMandates.Mandate memory mandate = _mandate();
        mandate.actions = 2;
        bytes memory signature = _sign(mandate);
        bytes32 id = _fill(mandate, LICENSE_PRICE);
        _refused(mandate, signature, abi.encodeWithSelector(IMandates.ActionNotGranted.selector, id, 2));
        mandate.actions = 1;
        signature = _sign(mandate);
        id = _fill(mandate, LICENSE_PRICE + JOB_COST);
        uint256 license = _buy(mandate, signature);
        vm.expectRevert(abi.encodeWithSelector(IMandates.ActionNotGranted.selector, id, 1));
        _run(mandate, signature, license);
        mandate.actions = 5;
        signature = _sign(mandate);
        id = _fill(mandate, LICENSE_PRICE + JOB_COST);
        license = _buy(mandate, signature);
        vm.expectEmit(address(mandates));
        emit IMandates.MandateUsed(id, 1, 4, 1, POLICY, JOB_COST, LICENSE_PRICE + JOB_COST, 2);
        _run(mandate, signature, license);
    }

    function test_only_datasets_and_policies_that_it_names() public {
        (IMandates.Mandate memory mandate, bytes memory signature, bytes32 id) = _funded();
        uint256 dataset = _publish();
        offer = _offerOn(dataset);
        _refused(mandate, signature, abi.encodeWithSelector(IMandates.DatasetNotGranted.selector, id, dataset));
        ILicenseMarket.Terms memory terms = _terms(1);
        terms.policy = keccak256("scores");
        vm.prank(owner);
        offer = licenses.createOffer(terms, new ILicenseMarket.Share[](0));
        _refused(mandate, signature, abi.encodeWithSelector(IMandates.PolicyNotGranted.selector, id, terms.policy));
        offer = 1;
        _buy(mandate, signature);
    }

    function test_results_are_sealed_to_the_named_key() public {
        IMandates.Mandate memory mandate = _mandate();
        mandate.sealingKey = keccak256("the payer's");
        bytes memory signature = _sign(mandate);
        bytes32 id = _fill(mandate, 2 * LICENSE_PRICE);
        uint256 license = _buy(mandate, signature);
        vm.expectRevert(abi.encodeWithSelector(IMandates.SealingKeyNotGranted.selector, id, KEY));
        _run(mandate, signature, license);
        mandate = _mandate();
        mandate.sealingKey = KEY;
        signature = _sign(mandate);
        _fill(mandate, 2 * LICENSE_PRICE);
        _run(mandate, signature, _buy(mandate, signature));
    }

    function test_no_action_takes_more_than_its_range() public {
        IMandates.Mandate memory mandate = _mandate();
        mandate.amountRange = LICENSE_PRICE - 1;
        bytes memory signature = _sign(mandate);
        bytes32 id = _fill(mandate, 2 * LICENSE_PRICE);
        _refused(mandate, signature, _error(IMandates.AmountAboveRange.selector, id, LICENSE_PRICE, LICENSE_PRICE - 1));
    }

    function test_of_two_agents_that_race_for_the_last_of_the_budget_one_wins() public {
        IMandates.Mandate memory mandate = _mandate();
        mandate.budget = 2 * LICENSE_PRICE - 1;
        bytes memory signature = _sign(mandate);
        bytes32 id = _fill(mandate, 100 * USD);
        _buy(mandate, signature);
        _refused(mandate, signature, _error(IMandates.BudgetSpent.selector, id, LICENSE_PRICE, LICENSE_PRICE - 1));
        mandate = _mandate();
        mandate.maxOccurrences = 1;
        signature = _sign(mandate);
        id = _fill(mandate, 100 * USD);
        _buy(mandate, signature);
        _refused(mandate, signature, abi.encodeWithSelector(IMandates.NoOccurrencesLeft.selector, id, 1));
        mandate = _mandate();
        signature = _sign(mandate);
        id = _fill(mandate, 2 * LICENSE_PRICE - 1);
        _buy(mandate, signature);
        _refused(mandate, signature, _error(IMandates.BalanceTooSmall.selector, id, LICENSE_PRICE, LICENSE_PRICE - 1));
    }

    function test_what_comes_back_does_not_widen_the_budget() public {
        IMandates.Mandate memory mandate = _mandate();
        mandate.budget = LICENSE_PRICE + JOB_COST;
        bytes memory signature = _sign(mandate);
        bytes32 id = _fill(mandate, 100 * USD);
        uint256 license = _buy(mandate, signature);
        uint256 job = _run(mandate, signature, license);
        vm.warp(block.timestamp + DRAW + 1);
        jobs.expire(job);
        vm.expectRevert(_error(IMandates.BudgetSpent.selector, id, JOB_COST, 0));
        _run(mandate, signature, license);
    }

    function test_a_contract_wallet_signs_and_can_take_its_signer_away() public {
        Wallet wallet = new Wallet(payer);
        IMandates.Mandate memory mandate = _mandate();
        mandate.payer = address(wallet);
        bytes memory signature = _sign(mandate);
        bytes32 id = _fill(mandate, 2 * LICENSE_PRICE);
        bytes memory why = abi.encodeWithSelector(IMandates.BadMandateSignature.selector, id, address(wallet));
        _refused(mandate, _signAs(BUYER_KEY, mandate), why);
        _buy(mandate, signature);
        wallet.replace(stranger);
        _refused(mandate, signature, why);
        vm.prank(address(wallet));
        mandates.withdraw(mandate);
        vm.assertEq(usd.balanceOf(address(wallet)), LICENSE_PRICE);
    }

    function testFuzz_spending_never_leaves_budget_range_or_money(uint8[6] calldata asked, uint64 money, uint64 most)
        public
    {
        IMandates.Mandate memory mandate = _mandate();
        (mandate.maxOccurrences, mandate.amountRange) = (10, 100 * USD);
        mandate.budget = _bound(most, 0, 40 * USD);
        bytes memory signature = _sign(mandate);
        bytes32 id = _fill(mandate, _bound(money, 0, 40 * USD));
        uint256 held = usd.balanceOf(mandates.accountOf(id));
        uint256 license = 0;
        for (uint256 i = 0; i < asked.length; ++i) {
            vm.prank(agent);
            if (asked[i] % 2 == 0 || license == 0) {
                try mandates.buyLicense(mandate, signature, offer) returns (uint256 bought) {
                    license = bought;
                } catch {}
            } else {
                try mandates.openJob(mandate, signature, _order(license, 2)) {} catch {}
            }
        }
        uint256 spent = mandates.usageOf(id).spent;
        vm.assertLe(spent, mandate.budget);
        vm.assertLe(spent, held);
        vm.assertEq(usd.balanceOf(mandates.accountOf(id)), held - spent);
    }
}
