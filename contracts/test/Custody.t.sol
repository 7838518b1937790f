// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IJobMarket} from "../src/interfaces/IJobMarket.sol";
import {World} from "./World.sol";

/// @title The custodian's bond and its chain of decisions
contract CustodyTest is World {
    function setUp() public {
        _deploy();
    }

    // --- the bond

    function testFuzz_anyone_pays_in_and_a_party_takes_out_what_is_free(uint64 amount, uint64 back) public {
        uint256 dataset = _publish();
        uint256 paid = _bound(amount, 0, 900_000 * USD);
        vm.expectEmit(address(jobs));
        emit IJobMarket.CustodianBonded(dataset, p[0], paid);
        vm.prank(p[0]);
        jobs.bondCustodian(dataset, paid);
        (uint256 bond, uint256 held) = jobs.custodyOf(dataset);
        vm.assertEq(bond, CUSTODY + paid);
        vm.assertEq(held, 0);
        uint256 taken = _bound(back, 0, bond);
        address party = back % 2 == 0 ? owner : custodian;
        vm.expectEmit(address(jobs));
        emit IJobMarket.CustodianUnbonded(dataset, party, taken);
        vm.prank(party);
        jobs.unbondCustodian(dataset, taken);
        vm.assertEq(jobs.claimable(party), taken);
        (bond,) = jobs.custodyOf(dataset);
        vm.assertEq(bond, CUSTODY + paid - taken);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.CustodianNotBonded.selector, dataset, bond, bond + 1));
        vm.prank(party);
        jobs.unbondCustodian(dataset, bond + 1);
    }

    function testFuzz_the_bond_is_for_the_parties_alone(address caller) public {
        uint256 dataset = _publish();
        vm.assume(caller != owner && caller != custodian);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NotParty.selector, dataset, caller));
        vm.prank(caller);
        jobs.unbondCustodian(dataset, 1);
    }

    function test_a_dataset_that_is_not_there_takes_no_bond() public {
        vm.expectRevert();
        vm.prank(owner);
        jobs.bondCustodian(1, 1);
    }

    function test_what_an_open_job_holds_cannot_be_taken_out_until_it_ends() public {
        uint256 job = _computed();
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.CustodianNotBonded.selector, 1, CUSTODY - MAX_FEE, CUSTODY));
        vm.prank(owner);
        jobs.unbondCustodian(1, CUSTODY);
        _release(job);
        vm.prank(owner);
        jobs.unbondCustodian(1, CUSTODY);
        vm.assertEq(usd.balanceOf(address(jobs)), JOB_PRICE + MAX_FEE + CUSTODY);
    }

    function test_every_end_of_a_job_lets_the_bond_go() public {
        uint256 license = _license();
        uint256 expired = _open(license, 2);
        _passDeadline(expired);
        jobs.expire(expired);
        _bondFirst(2);
        uint256 refused = _open(license, 2);
        _draw(refused);
        _agree(refused, 0, RECEIPT);
        _refuse(refused);
        uint256 failed = _open(license, 2);
        _draw(failed);
        _disagree(failed);
        _passDeadline(failed);
        jobs.expire(failed);
        vm.assertEq(_state(failed), 9);
        (uint256 bond, uint256 held) = jobs.custodyOf(1);
        vm.assertEq(bond, CUSTODY);
        vm.assertEq(held, 0);
    }

    function test_a_job_without_fees_needs_no_bond() public {
        uint256 license = _license();
        vm.prank(owner);
        jobs.unbondCustodian(1, CUSTODY);
        IJobMarket.Order memory o = _order(license, 2);
        vm.startPrank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.CustodianNotBonded.selector, 1, 0, MAX_FEE));
        jobs.open(o);
        o.maxFee = 0;
        jobs.open(o);
        vm.stopPrank();
    }

    // --- refusing for want of a circuit

    function test_unavailable_costs_the_buyer_the_fees_and_the_custodian_nothing() public {
        uint256 job = _computed();
        vm.prank(custodian);
        jobs.refuse(job, bytes32("unavailable"), DECISION, HEAD);
        vm.assertEq(_state(job), 7);
        vm.assertEq(jobs.claimable(buyer), JOB_PRICE + MAX_FEE - 2 * FEE);
        vm.assertEq(jobs.claimable(_executor(job, 0)), FEE);
        vm.assertEq(jobs.claimable(_executor(job, 1)), FEE);
        (uint256 bond,) = jobs.custodyOf(1);
        vm.assertEq(bond, CUSTODY);
        vm.assertEq(licenses.licenseOf(1).jobsLeft, 9);
    }

    // --- the chain of decisions

    function test_each_answer_follows_the_one_before() public {
        uint256 first = _computed();
        _release(first);
        bytes32 head = keccak256(abi.encode(HEAD, first, DECISION));
        vm.assertEq(jobs.decisionHead(1), head);
        uint256 second = _open(1, 2);
        _draw(second);
        _agree(second, 0, RECEIPT);
        _refuse(second);
        vm.assertEq(jobs.decisionHead(1), keccak256(abi.encode(head, second, DECISION)));
    }

    function testFuzz_a_ledger_that_lacks_an_answer_answers_no_more(bytes32 stale, bool yes) public {
        uint256 first = _computed();
        uint256 second = _open(1, 2);
        _draw(second);
        _agree(second, 0, RECEIPT);
        _release(first);
        bytes32 head = jobs.decisionHead(1);
        vm.assume(stale != head);
        vm.startPrank(custodian);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.StaleHead.selector, 1, head));
        if (yes) jobs.release(second, SEALED, DECISION, stale);
        else jobs.refuse(second, REASON, DECISION, stale);
        jobs.release(second, SEALED, DECISION, head);
        vm.stopPrank();
    }

    function test_datasets_have_chains_of_their_own() public {
        uint256 job = _computed();
        _release(job);
        vm.assertEq(jobs.decisionHead(_publish()), HEAD);
    }
}
