// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IJobMarket} from "../src/interfaces/IJobMarket.sol";
import {World} from "./World.sol";

/// @title The owner's word on a job
contract ApprovalsTest is World {
    function setUp() public {
        _deploy();
    }

    function _approve(uint256 job) private {
        vm.prank(owner);
        jobs.approve(job);
    }

    function _deny(uint256 job) private {
        vm.prank(owner);
        jobs.deny(job);
    }

    function _word(uint256 job) private view returns (uint256) {
        return uint256(jobs.get(job).approval);
    }

    function test_approve_is_told_and_kept_and_the_job_settles() public {
        uint256 job = _computed();
        vm.assertEq(_word(job), 0);
        vm.expectEmit(address(jobs));
        emit IJobMarket.JobApproved(job, owner);
        _approve(job);
        vm.assertEq(_word(job), 1);
        vm.assertEq(_state(job), 4);
        _release(job);
        vm.assertEq(_state(job), 6);
        vm.assertEq(_word(job), 1);
    }

    function test_a_denied_job_is_never_released_but_refused() public {
        uint256 job = _computed();
        vm.expectEmit(address(jobs));
        emit IJobMarket.JobDenied(job, owner);
        _deny(job);
        vm.assertEq(_word(job), 2);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.DeniedByOwner.selector, job));
        _releaseFirst(job);
        uint256 before = jobs.claimable(buyer);
        _refuse(job);
        vm.assertEq(_state(job), 7);
        vm.assertEq(jobs.claimable(buyer) - before, JOB_PRICE + MAX_FEE - 2 * FEE);
    }

    function test_a_denied_job_expires_like_any_other() public {
        uint256 job = _computed();
        _deny(job);
        _passDeadline(job);
        jobs.expire(job);
        vm.assertEq(_state(job), 8);
    }

    function test_an_approved_job_may_still_be_refused() public {
        uint256 job = _computed();
        _approve(job);
        _refuse(job);
        vm.assertEq(_state(job), 7);
    }

    function test_a_word_may_come_at_every_stage_and_changes_no_other_field() public {
        uint256 license = _license();
        _bondFirst(5);
        uint256 job = _open(license, 2);
        _leavesTheRestAlone(job);
        job = _open(license, 2);
        _draw(job);
        _leavesTheRestAlone(job);
        job = _open(license, 2);
        _draw(job);
        _disagree(job);
        _leavesTheRestAlone(job);
        job = _open(license, 2);
        _draw(job);
        _agree(job, 0, RECEIPT);
        _leavesTheRestAlone(job);
    }

    /// @dev Says yes, then compares everything but the word with what was before.
    function _leavesTheRestAlone(uint256 job) private {
        IJobMarket.Job memory before = jobs.get(job);
        _approve(job);
        before.approval = IJobMarket.Approval.APPROVED;
        vm.assertEq(keccak256(abi.encode(jobs.get(job))), keccak256(abi.encode(before)));
    }

    function test_an_early_word_outlives_the_draw_and_the_dispute() public {
        uint256 license = _license();
        _bondFirst(4);
        uint256 job = _open(license, 2);
        _deny(job);
        _draw(job);
        _disagree(job);
        _draw(job);
        _agree(job, 2, RECEIPT);
        vm.assertEq(_state(job), 4);
        vm.assertEq(_word(job), 2);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.DeniedByOwner.selector, job));
        _releaseFirst(job);
    }

    function testFuzz_a_word_is_said_once(bool first, bool second) public {
        uint256 job = _computed();
        if (first) _approve(job);
        else _deny(job);
        IJobMarket.Approval said = jobs.get(job).approval;
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.AlreadyAnswered.selector, job, said));
        if (second) _approve(job);
        else _deny(job);
        vm.assertEq(_word(job), uint256(said));
    }

    function testFuzz_only_the_owner_has_the_word(address caller, bool yes) public {
        uint256 job = _computed();
        vm.assume(caller != owner);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NotOwner.selector, job, caller));
        vm.prank(caller);
        if (yes) jobs.approve(job);
        else jobs.deny(job);
    }

    function test_the_custodian_and_an_approved_operator_have_no_word() public {
        uint256 job = _computed();
        vm.prank(owner);
        datasets.setApprovalForAll(stranger, true);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NotOwner.selector, job, stranger));
        vm.prank(stranger);
        jobs.approve(job);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NotOwner.selector, job, custodian));
        vm.prank(custodian);
        jobs.deny(job);
    }

    function test_the_word_goes_with_the_token_and_stays_when_it_was_said() public {
        uint256 license = _license();
        _bondFirst(3);
        (uint256 open, uint256 answered) = (_open(license, 2), _open(license, 2));
        _approve(answered);
        vm.prank(owner);
        datasets.transferFrom(owner, stranger, 1);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NotOwner.selector, open, owner));
        _approve(open);
        vm.startPrank(stranger);
        jobs.deny(open);
        vm.expectRevert(
            abi.encodeWithSelector(IJobMarket.AlreadyAnswered.selector, answered, IJobMarket.Approval.APPROVED)
        );
        jobs.deny(answered);
        vm.stopPrank();
    }

    function test_no_word_on_a_job_that_is_not_there_or_over() public {
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.WrongState.selector, 1, IJobMarket.State.NONE));
        _approve(1);
        uint256 job = _computed();
        _release(job);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.WrongState.selector, job, IJobMarket.State.SETTLED));
        _approve(job);
        uint256 late = _open(1, 2);
        _passDeadline(late);
        jobs.expire(late);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.WrongState.selector, late, IJobMarket.State.EXPIRED));
        _deny(late);
    }
}
