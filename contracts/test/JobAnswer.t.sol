// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IJobMarket} from "../src/interfaces/IJobMarket.sol";
import {ILicenseMarket} from "../src/interfaces/ILicenseMarket.sol";
import {IPayments} from "../src/interfaces/IPayments.sol";
import {Guarded} from "../src/Guarded.sol";
import {World} from "./World.sol";

/// @title Release, refusal, and the pause
contract JobAnswerTest is World {
    function setUp() public {
        _deploy();
    }

    // --- release

    function test_release_settles_and_the_owner_has_earned() public {
        uint256 job = _computed();
        _mine(3);
        vm.expectEmit(address(jobs));
        emit IJobMarket.JobReleased(job, SEALED, DECISION);
        vm.expectEmit(address(jobs));
        emit IPayments.Earned(1, JOB_PRICE);
        vm.expectEmit(address(jobs));
        emit IJobMarket.JobSettled(job);
        _releaseFirst(job);
        IJobMarket.Job memory j = jobs.get(job);
        vm.assertEq(uint256(j.state), uint256(IJobMarket.State.SETTLED));
        vm.assertEq(j.deadline, 0);
        vm.assertEq(j.closedBlock, block.number);
        vm.assertEq(j.receipt, RECEIPT);
        jobs.collect(1);
        vm.assertEq(jobs.claimable(owner), JOB_PRICE);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.WrongState.selector, job, IJobMarket.State.SETTLED));
        _releaseFirst(job);
    }

    function testFuzz_release_only_by_the_custodian(address caller) public {
        uint256 job = _computed();
        vm.assume(caller != custodian);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NotCustodian.selector, job, caller));
        vm.prank(caller);
        jobs.release(job, SEALED, DECISION, HEAD);
    }

    function test_release_needs_a_result_a_decision_and_to_be_in_time() public {
        uint256 job = _computed();
        uint256 deadline = jobs.get(job).deadline;
        vm.startPrank(custodian);
        vm.expectRevert(IJobMarket.ZeroDigest.selector);
        jobs.release(job, bytes32(0), DECISION, HEAD);
        vm.expectRevert(IJobMarket.ZeroDigest.selector);
        jobs.release(job, SEALED, bytes32(0), HEAD);
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.DeadlinePassed.selector, job, deadline));
        jobs.release(job, SEALED, DECISION, HEAD);
        vm.warp(deadline);
        jobs.release(job, SEALED, DECISION, HEAD);
        vm.stopPrank();
    }

    function test_release_not_before_the_receipts_agree() public {
        uint256 job = _assigned(2, 2);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.WrongState.selector, job, IJobMarket.State.ASSIGNED));
        _releaseFirst(job);
    }

    function test_release_of_a_free_job_earns_nothing() public {
        uint256 dataset = _publish();
        ILicenseMarket.Terms memory t = _terms(dataset);
        (t.priceLicense, t.priceJob, t.priceRow) = (0, 0, 0);
        vm.prank(owner);
        uint256 offer = licenses.createOffer(t, new ILicenseMarket.Share[](0));
        vm.prank(buyer);
        uint256 license = licenses.buy(offer);
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(p[i]);
            providers.bond(BOND, 0, 0, UNITS);
        }
        IJobMarket.Order memory o = _order(license, 2);
        o.maxFee = 0;
        vm.prank(buyer);
        uint256 job = jobs.open(o);
        _draw(job);
        _agree(job, 0, RECEIPT);
        _release(job);
        vm.assertEq(_state(job), 6);
        vm.assertEq(usd.balanceOf(address(jobs)), CUSTODY);
        vm.expectRevert(abi.encodeWithSelector(IPayments.NothingToCollect.selector, offer));
        jobs.collect(offer);
    }

    function test_release_answers_to_a_custodian_named_later() public {
        uint256 job = _computed();
        vm.prank(owner);
        datasets.setCustodian(1, stranger);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NotCustodian.selector, job, custodian));
        _releaseFirst(job);
        _releaseAs(stranger, job);
    }

    // --- refuse

    function test_refuse_gives_the_price_back_and_keeps_the_use() public {
        uint256 job = _computed();
        uint256 before = jobs.claimable(buyer);
        vm.expectEmit(address(jobs));
        emit IJobMarket.JobRefused(job, REASON, DECISION);
        vm.expectEmit(address(jobs));
        emit IJobMarket.Refunded(job, buyer, JOB_PRICE + MAX_FEE - 2 * FEE);
        _refuse(job);
        vm.assertEq(_state(job), 7);
        vm.assertEq(jobs.get(job).closedBlock, block.number);
        vm.assertEq(jobs.claimable(buyer) - before, JOB_PRICE + MAX_FEE - 2 * FEE);
        vm.assertEq(jobs.claimable(_executor(job, 0)), FEE);
        vm.assertEq(providers.get(_executor(job, 0)).locked, 0);
        vm.assertEq(licenses.licenseOf(1).jobsLeft, 9);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.WrongState.selector, job, IJobMarket.State.REFUSED));
        _releaseFirst(job);
    }

    function testFuzz_refuse_only_by_the_custodian(address caller) public {
        uint256 job = _computed();
        vm.assume(caller != custodian);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NotCustodian.selector, job, caller));
        vm.prank(caller);
        jobs.refuse(job, REASON, DECISION, HEAD);
    }

    function test_refuse_needs_a_reason_a_decision_and_to_be_in_time() public {
        uint256 job = _computed();
        uint256 deadline = jobs.get(job).deadline;
        vm.startPrank(custodian);
        vm.expectRevert(IJobMarket.ZeroDigest.selector);
        jobs.refuse(job, bytes32(0), DECISION, HEAD);
        vm.expectRevert(IJobMarket.ZeroDigest.selector);
        jobs.refuse(job, REASON, bytes32(0), HEAD);
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.DeadlinePassed.selector, job, deadline));
        jobs.refuse(job, REASON, DECISION, HEAD);
        vm.stopPrank();
    }

    // --- the pause

    function test_pause_stops_new_jobs_and_nothing_else() public {
        uint256 job = _assigned(2, 2);
        vm.expectEmit(address(jobs));
        emit Guarded.Paused(block.timestamp + 7 days);
        vm.prank(guardian);
        jobs.pause(7 days);
        uint256 until = block.timestamp + 7 days;
        vm.assertEq(jobs.pausedUntil(), until);
        vm.assertEq(jobs.nextPause(), until + 21 days);
        vm.startPrank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Guarded.NewJobsPaused.selector, until));
        jobs.open(_order(1, 2));
        vm.expectRevert(abi.encodeWithSelector(Guarded.NewJobsPaused.selector, until));
        jobs.openWithPermit(_order(1, 2), block.timestamp, 27, SALT, SALT);
        vm.stopPrank();
        _agree(job, 0, RECEIPT);
        _release(job);
        jobs.collect(1);
        vm.prank(owner);
        jobs.withdraw();
        vm.warp(until + 1);
        vm.prank(buyer);
        jobs.open(_order(1, 2));
    }

    function testFuzz_pause_is_bounded_and_rests(uint256 duration, uint32 wait) public {
        vm.startPrank(guardian);
        vm.assume(duration == 0 || duration > 7 days);
        vm.expectRevert(abi.encodeWithSelector(Guarded.PauseTooLong.selector, duration));
        jobs.pause(duration);
        uint256 length = _bound(duration, 1, 7 days);
        jobs.pause(length);
        uint256 next = block.timestamp + length + 21 days;
        vm.warp(block.timestamp + _bound(wait, 0, length + 21 days - 1));
        vm.expectRevert(abi.encodeWithSelector(Guarded.PauseTooSoon.selector, next));
        jobs.pause(1);
        vm.warp(next);
        jobs.pause(1);
        vm.stopPrank();
    }

    function test_unpause_opens_the_market_without_shortening_the_rest() public {
        vm.startPrank(guardian);
        vm.expectRevert(Guarded.NotPaused.selector);
        jobs.unpause();
        jobs.pause(1 days);
        uint256 next = jobs.nextPause();
        vm.expectEmit(address(jobs));
        emit Guarded.Unpaused();
        jobs.unpause();
        vm.stopPrank();
        vm.assertEq(jobs.nextPause(), next);
        _open(_license(), 2);
    }

    function testFuzz_pause_and_unpause_only_by_the_guardian(address caller) public {
        vm.assume(caller != guardian);
        vm.startPrank(caller);
        vm.expectRevert(abi.encodeWithSelector(Guarded.NotGuardian.selector, caller));
        jobs.pause(1);
        vm.expectRevert(abi.encodeWithSelector(Guarded.NotGuardian.selector, caller));
        jobs.unpause();
        vm.stopPrank();
    }
}
