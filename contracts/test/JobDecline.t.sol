// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IJobMarket} from "../src/interfaces/IJobMarket.sol";
import {World} from "./World.sol";

/// @title Executors that decline instead of committing
contract JobDeclineTest is World {
    function setUp() public {
        _deploy();
    }

    function test_decline_costs_nothing_and_waits_for_the_others() public {
        uint256 job = _assigned(2, 3);
        address a = _executor(job, 0);
        vm.expectEmit(address(jobs));
        emit IJobMarket.Declined(job, a);
        vm.prank(a);
        jobs.decline(job);
        vm.assertEq(_state(job), 2);
        vm.assertEq(providers.get(a).locked, 0);
        vm.assertEq(providers.get(a).bond, BOND);
        vm.assertEq(providers.get(a).heartbeat, block.timestamp);
        vm.assertTrue(jobs.executionsOf(job)[0].out);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NotAnExecutor.selector, job, a));
        vm.prank(a);
        jobs.commit(job, LIE);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NotAnExecutor.selector, job, a));
        vm.prank(a);
        jobs.decline(job);
    }

    function test_the_last_commitment_asks_for_another_in_place_of_who_declined() public {
        uint256 job = _assigned(2, 3);
        (address a, address b) = (_executor(job, 0), _executor(job, 1));
        vm.prank(a);
        jobs.decline(job);
        bytes32 commitment = jobs.commitmentFor(job, b, RECEIPT, SALT);
        vm.expectEmit(address(jobs));
        emit IJobMarket.Committed(job, b, commitment);
        vm.expectEmit(address(jobs));
        emit IJobMarket.JobDisputed(job, 1, block.number + 1);
        vm.prank(b);
        jobs.commit(job, commitment);
        _draw(job);
        address third = _executor(job, 2);
        vm.assertTrue(third != a && third != b);
        _commit(job, third, RECEIPT);
        vm.assertTrue(jobs.get(job).revealing);
        _reveal(job, b, RECEIPT);
        _reveal(job, third, RECEIPT);
        vm.assertEq(_state(job), 4);
        _release(job);
        vm.assertEq(jobs.claimable(b), FEE);
        vm.assertEq(jobs.claimable(third), FEE);
        vm.assertEq(jobs.claimable(a), 0);
    }

    function test_the_last_to_decline_asks_for_another_at_once() public {
        uint256 job = _assigned(2, 3);
        (address a, address b) = (_executor(job, 0), _executor(job, 1));
        _commit(job, a, RECEIPT);
        vm.expectEmit(address(jobs));
        emit IJobMarket.Declined(job, b);
        vm.expectEmit(address(jobs));
        emit IJobMarket.JobDisputed(job, 1, block.number + 1);
        vm.prank(b);
        jobs.decline(job);
        vm.assertEq(_state(job), 3);
    }

    function test_a_job_that_nobody_can_run_fails_and_costs_nobody_a_stake() public {
        uint256 job = _assigned(1, 5);
        for (uint256 round = 0; round < 4; ++round) {
            if (round > 0) _draw(job);
            address drawn = _executor(job, round);
            vm.prank(drawn);
            jobs.decline(job);
        }
        vm.assertEq(_state(job), 9);
        vm.assertEq(jobs.claimable(buyer), JOB_PRICE + MAX_FEE);
        vm.assertEq(licenses.licenseOf(1).jobsLeft, 10);
        for (uint256 i = 0; i < 5; ++i) {
            vm.assertEq(providers.get(p[i]).bond, BOND);
            vm.assertEq(providers.get(p[i]).locked, 0);
        }
    }

    function test_the_last_commitment_of_the_last_round_fails_the_job_when_somebody_declined() public {
        uint256 job = _assigned(2, 5);
        _commit(job, _executor(job, 0), RECEIPT);
        for (uint256 round = 0; round < 4; ++round) {
            if (round > 0) _draw(job);
            address drawn = _executor(job, round + 1);
            vm.prank(drawn);
            jobs.decline(job);
        }
        vm.assertEq(_state(job), 9);
        vm.assertEq(providers.get(_executor(job, 0)).locked, 0);
    }

    function test_decline_not_after_committing_nor_too_late_nor_in_another_state() public {
        uint256 job = _assigned(2, 3);
        (address a, address b) = (_executor(job, 0), _executor(job, 1));
        _commit(job, a, RECEIPT);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.AlreadyCommitted.selector, job, a));
        vm.prank(a);
        jobs.decline(job);
        uint256 deadline = jobs.get(job).deadline;
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.DeadlinePassed.selector, job, deadline));
        vm.prank(b);
        jobs.decline(job);
        jobs.expire(job);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.WrongState.selector, job, IJobMarket.State.DISPUTED));
        vm.prank(a);
        jobs.decline(job);
    }

    function testFuzz_decline_only_by_the_drawn(address caller) public {
        uint256 job = _assigned(2, 2);
        vm.assume(caller != _executor(job, 0) && caller != _executor(job, 1));
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NotAnExecutor.selector, job, caller));
        vm.prank(caller);
        jobs.decline(job);
    }
}
