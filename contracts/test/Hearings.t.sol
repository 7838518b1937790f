// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Guarded} from "../src/Guarded.sol";
import {IDisputes} from "../src/interfaces/IDisputes.sol";
import {IJobMarket} from "../src/interfaces/IJobMarket.sol";
import {World} from "./World.sol";

/// @title What disputes do to a job, and to everybody's money
/// @dev Verdicts are given as the contract of disputes gives them; how it comes to them is tested elsewhere.
contract HearingsTest is World {
    bytes32 internal constant PROGRAM = keccak256("program");

    IDisputes.Verdict internal constant CONVICTED = IDisputes.Verdict.CONVICTED;
    IDisputes.Verdict internal constant CLEARED = IDisputes.Verdict.CLEARED;
    IDisputes.Verdict internal constant MOOT = IDisputes.Verdict.MOOT;

    function setUp() public {
        _deploy();
        _fund(stranger);
    }

    /// @dev A job with a program whose executors are drawn.
    function _stated(uint8 replicas, uint256 bonded) internal returns (uint256 job) {
        uint256 license = _license();
        _bondFirst(bonded);
        vm.prank(buyer);
        job = jobs.openWithProgram(_order(license, replicas), PROGRAM);
        _draw(job);
    }

    function _suspend(uint256 job, uint256 index) internal returns (uint256 bond) {
        vm.prank(address(disputes));
        (,,, bond) = jobs.suspend(job, index, stranger, DISPUTE_BOND, type(uint256).max);
    }

    function _resume(uint256 job, uint256 index, uint256 bond, IDisputes.Verdict verdict) internal {
        address executor = _executor(job, index);
        vm.prank(address(disputes));
        jobs.resume(job, index, executor, stranger, bond, verdict);
    }

    /// @dev Each executor reveals its receipt.
    function _say(uint256 job, uint256 first, bytes32[3] memory receipts, uint256 count) internal {
        for (uint256 i = 0; i < count; ++i) {
            _commit(job, _executor(job, first + i), receipts[i]);
        }
        for (uint256 i = 0; i < count; ++i) {
            _reveal(job, _executor(job, first + i), receipts[i]);
        }
    }

    function test_a_program_binds_the_order() public {
        uint256 license = _license();
        IJobMarket.Order memory order = _order(license, 1);
        vm.expectEmit(address(jobs));
        emit IJobMarket.ProgramStated(1, PROGRAM);
        vm.prank(buyer);
        uint256 job = jobs.openWithProgram(order, PROGRAM);
        bytes32 expected = keccak256(abi.encode(order.circuit, order.firstRow, order.rows, order.content, PROGRAM));
        vm.assertEq(jobs.orderDigest(job), expected);
        vm.prank(buyer);
        vm.assertEq(jobs.orderDigest(jobs.open(order)), bytes32(0));
        vm.prank(buyer);
        vm.expectRevert(IJobMarket.ZeroProgram.selector);
        jobs.openWithProgram(order, bytes32(0));
    }

    function test_a_program_may_come_with_a_permit() public {
        uint256 license = _license();
        vm.prank(buyer);
        usd.approve(address(jobs), 0);
        uint256 owed = JOB_PRICE + MAX_FEE;
        (uint8 v, bytes32 r, bytes32 s) = _signPermit(address(jobs), owed, block.timestamp);
        vm.prank(buyer);
        uint256 job = jobs.openWithProgramAndPermit(_order(license, 1), PROGRAM, block.timestamp, v, r, s);
        vm.assertTrue(jobs.orderDigest(job) != bytes32(0));
    }

    function test_a_paused_market_takes_no_job_with_a_program() public {
        uint256 license = _license();
        vm.prank(guardian);
        jobs.pause(1 days);
        bytes memory paused = abi.encodeWithSelector(Guarded.NewJobsPaused.selector, block.timestamp + 1 days);
        vm.startPrank(buyer);
        vm.expectRevert(paused);
        jobs.openWithProgram(_order(license, 1), PROGRAM);
        vm.expectRevert(paused);
        jobs.openWithProgramAndPermit(_order(license, 1), PROGRAM, block.timestamp, 0, 0, 0);
        vm.stopPrank();
    }

    function test_only_the_contract_of_disputes_suspends_and_resumes() public {
        uint256 job = _stated(2, 3);
        _agree(job, 0, RECEIPT);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NotDisputes.selector, address(this)));
        jobs.suspend(job, 0, stranger, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NotDisputes.selector, address(this)));
        jobs.resume(job, 0, p[0], stranger, 1, CLEARED);
    }

    function test_a_suspended_job_stands_still() public {
        uint256 job = _stated(2, 3);
        _agree(job, 0, RECEIPT);
        _suspend(job, 0);
        bytes memory suspended = abi.encodeWithSelector(IJobMarket.JobSuspended.selector, job);
        vm.startPrank(custodian);
        vm.expectRevert(suspended);
        jobs.release(job, SEALED, DECISION, HEAD);
        vm.expectRevert(suspended);
        jobs.refuse(job, REASON, DECISION, HEAD);
        vm.expectRevert(suspended);
        jobs.contest(job);
        vm.stopPrank();
        _passDeadline(job);
        vm.expectRevert(suspended);
        jobs.expire(job);
        (uint256 running,) = jobs.disputesOf(job);
        vm.assertEq(running, 1);
    }

    function test_no_draw_while_a_dispute_runs() public {
        uint256 job = _stated(2, 3);
        _disagree(job);
        _suspend(job, 1);
        vm.roll(jobs.get(job).seedBlock + 1);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.JobSuspended.selector, job));
        jobs.draw(job);
    }

    function test_what_cannot_be_disputed() public {
        uint256 plain = _assigned(2, 3);
        _agree(plain, 0, RECEIPT);
        vm.startPrank(address(disputes));
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NotDisputable.selector, plain, 0));
        jobs.suspend(plain, 0, stranger, 1, 1);
        (uint256 running, uint256 until) = jobs.disputesOf(plain);
        vm.assertEq(running + until, 0);
        vm.stopPrank();
        vm.prank(buyer);
        uint256 job = jobs.openWithProgram(_order(1, 2), PROGRAM);
        (, until) = jobs.disputesOf(job);
        vm.assertEq(until, 0);
        _draw(job);
        vm.startPrank(address(disputes));
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.WrongState.selector, job, IJobMarket.State.ASSIGNED));
        jobs.suspend(job, 0, stranger, 1, 1);
        vm.stopPrank();
        _agree(job, 0, RECEIPT);
        vm.startPrank(address(disputes));
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NotDisputable.selector, job, 2));
        jobs.suspend(job, 2, stranger, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.BondTooLarge.selector, 5, 4));
        jobs.suspend(job, 0, stranger, 5, 4);
        vm.stopPrank();
        uint256 deadline = jobs.get(job).deadline;
        _passDeadline(job);
        vm.prank(address(disputes));
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.DeadlinePassed.selector, job, deadline));
        jobs.suspend(job, 0, stranger, 1, 1);
    }

    function test_the_kth_dispute_takes_k_bonds_and_there_are_at_most_255() public {
        uint256 job = _stated(2, 3);
        _agree(job, 0, RECEIPT);
        uint256 before = usd.balanceOf(stranger);
        for (uint256 k = 1; k <= 255; ++k) {
            vm.assertEq(_suspend(job, 0), k * DISPUTE_BOND);
        }
        vm.assertEq(before - usd.balanceOf(stranger), 255 * 128 * DISPUTE_BOND);
        vm.prank(address(disputes));
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.TooManyDisputes.selector, job));
        jobs.suspend(job, 0, stranger, 1, 1_000);
    }

    function test_a_cleared_executor_has_half_the_bond_and_the_job_goes_on() public {
        uint256 job = _stated(2, 3);
        _agree(job, 0, RECEIPT);
        uint256 until = jobs.get(job).deadline;
        uint256 bond = _suspend(job, 0);
        vm.warp(block.timestamp + RELEASE);
        _resume(job, 0, bond, CLEARED);
        vm.assertEq(jobs.claimable(_executor(job, 0)), bond / 2);
        vm.assertEq(jobs.burned(), bond / 2);
        vm.assertEq(jobs.get(job).deadline, block.timestamp + RELEASE);
        (, uint256 still) = jobs.disputesOf(job);
        vm.assertEq(still, until);
        vm.warp(until + 1);
        vm.prank(address(disputes));
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.DeadlinePassed.selector, job, until));
        jobs.suspend(job, 0, stranger, 1, 1);
        _release(job);
        vm.assertEq(_state(job), uint256(IJobMarket.State.SETTLED));
    }

    function test_another_dispute_may_begin_until_the_first_answer_was_due() public {
        uint256 job = _stated(2, 3);
        _agree(job, 0, RECEIPT);
        uint256 until = jobs.get(job).deadline;
        _resume(job, 0, _suspend(job, 0), CLEARED);
        vm.warp(until);
        _resume(job, 1, _suspend(job, 1), CLEARED);
        (, uint256 still) = jobs.disputesOf(job);
        vm.assertEq(still, until);
    }

    function test_one_honest_executor_is_enough() public {
        uint256 job = _stated(3, 3);
        _say(job, 0, [LIE, RECEIPT, LIE], 3);
        vm.assertEq(_state(job), uint256(IJobMarket.State.DISPUTED));
        uint256 stake = providers.stakeFor(FEE);
        (uint256 one, uint256 two) = (_suspend(job, 0), _suspend(job, 2));
        _resume(job, 0, one, CONVICTED);
        vm.assertEq(_state(job), uint256(IJobMarket.State.DISPUTED));
        _resume(job, 2, two, CONVICTED);
        vm.assertEq(_state(job), uint256(IJobMarket.State.COMPUTED));
        vm.assertEq(jobs.get(job).receipt, RECEIPT);
        vm.assertTrue(jobs.executionsOf(job)[0].out && jobs.executionsOf(job)[2].out);
        // Each bond back, and as much of the stake; the buyer one part of the fees; nothing is lost.
        uint256 part = MAX_FEE / 3;
        vm.assertEq(jobs.claimable(stranger), 2 * (one + two));
        vm.assertEq(jobs.claimable(buyer), 2 * part);
        vm.assertEq(providers.burned(), 2 * stake - one - two - 2 * part);
        _release(job);
        vm.assertEq(jobs.get(job).receipt, RECEIPT);
        vm.assertEq(jobs.claimable(_executor(job, 1)), FEE);
        vm.assertEq(jobs.claimable(buyer), 2 * part + MAX_FEE - FEE);
        _empty();
    }

    function test_nobody_left_draws_others() public {
        uint256 job = _stated(2, 4);
        _agree(job, 0, LIE);
        (uint256 one, uint256 two) = (_suspend(job, 0), _suspend(job, 1));
        _resume(job, 0, one, CONVICTED);
        _resume(job, 1, two, CONVICTED);
        vm.assertEq(_state(job), uint256(IJobMarket.State.DISPUTED));
        vm.assertEq(jobs.get(job).receipt, bytes32(0));
        _draw(job);
        _agree(job, 2, RECEIPT);
        vm.assertEq(jobs.get(job).receipt, RECEIPT);
        _release(job);
        vm.assertEq(jobs.claimable(_executor(job, 0)), 0);
        vm.assertEq(jobs.claimable(_executor(job, 3)), FEE);
        _empty();
    }

    function test_of_several_left_the_leading_one_is_the_result() public {
        uint256 job = _stated(3, 5);
        _say(job, 0, [LIE, LIE, RECEIPT], 3);
        _draw(job);
        _say(job, 3, [LIE, bytes32(0), bytes32(0)], 1);
        vm.assertEq(_state(job), uint256(IJobMarket.State.COMPUTED));
        _resume(job, 0, _suspend(job, 0), CONVICTED);
        vm.assertEq(jobs.get(job).receipt, LIE);
        _resume(job, 1, _suspend(job, 1), CONVICTED);
        _resume(job, 3, _suspend(job, 3), CONVICTED);
        vm.assertEq(jobs.get(job).receipt, RECEIPT);
        _release(job);
        _empty();
    }

    function test_in_a_dispute_of_digests_a_conviction_draws_again_unless_one_is_left() public {
        uint256 job = _stated(3, 5);
        _say(job, 0, [LIE, RECEIPT, keccak256("another lie")], 3);
        _resume(job, 0, _suspend(job, 0), CONVICTED);
        vm.assertEq(_state(job), uint256(IJobMarket.State.DISPUTED));
        vm.assertEq(jobs.get(job).round, 2);
        _resume(job, 2, _suspend(job, 2), CONVICTED);
        vm.assertEq(jobs.get(job).receipt, RECEIPT);
    }

    function test_a_draw_that_was_disputed_has_its_time_again_once() public {
        uint256 job = _stated(2, 3);
        _disagree(job);
        uint256 bond = _suspend(job, 0);
        vm.warp(block.timestamp + DRAW + 1);
        _resume(job, 0, bond, CLEARED);
        vm.assertEq(jobs.get(job).deadline, block.timestamp + DRAW);
        vm.assertEq(jobs.get(job).round, 1);
        vm.prank(address(disputes));
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.DeadlinePassed.selector, job, 0));
        jobs.suspend(job, 1, stranger, 1, 1);
        _draw(job);
        _agree(job, 2, RECEIPT);
        vm.assertEq(jobs.get(job).receipt, RECEIPT);
        _suspend(job, 1);
    }

    function test_a_second_conviction_and_a_moot_dispute_only_give_the_bond_back() public {
        uint256 job = _stated(2, 3);
        _agree(job, 0, LIE);
        (uint256 one, uint256 two, uint256 three) = (_suspend(job, 0), _suspend(job, 0), _suspend(job, 0));
        _resume(job, 0, one, CONVICTED);
        _resume(job, 0, two, CONVICTED);
        _resume(job, 0, three, MOOT);
        vm.assertEq(jobs.claimable(stranger), 2 * one + two + three);
        vm.assertEq(_state(job), uint256(IJobMarket.State.COMPUTED));
        vm.prank(address(disputes));
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NotDisputable.selector, job, 0));
        jobs.suspend(job, 0, stranger, 1, 1);
    }

    function test_a_contest_that_a_conviction_proves_right_is_paid_by_the_liar() public {
        uint256 job = _stated(1, 4);
        _agree(job, 0, LIE);
        (uint256 amount, uint256 held) = jobs.custodyOf(1);
        _contest(job);
        (, uint256 more) = jobs.custodyOf(1);
        _resume(job, 0, _suspend(job, 0), CONVICTED);
        (uint256 after_,) = jobs.custodyOf(1);
        vm.assertEq(after_ - amount, more - held);
        vm.assertEq(_state(job), uint256(IJobMarket.State.DISPUTED));
        _draw(job);
        _agree(job, 1, RECEIPT);
        vm.assertEq(jobs.get(job).receipt, RECEIPT);
        _release(job);
        _empty();
    }

    function test_all_of_a_contest_convicted_but_one() public {
        uint256 job = _stated(1, 4);
        _agree(job, 0, LIE);
        _contest(job);
        _draw(job);
        _say(job, 1, [LIE, RECEIPT, bytes32(0)], 2);
        vm.assertEq(_state(job), uint256(IJobMarket.State.COMPUTED));
        vm.assertEq(jobs.get(job).receipt, LIE);
        (uint256 one, uint256 two) = (_suspend(job, 0), _suspend(job, 1));
        _resume(job, 0, one, CONVICTED);
        _resume(job, 1, two, CONVICTED);
        vm.assertEq(jobs.get(job).receipt, RECEIPT);
        _release(job);
        vm.assertEq(jobs.claimable(_executor(job, 2)), FEE);
        _empty();
    }

    function test_nobody_of_a_contest_left_fails_when_nobody_can_be_drawn() public {
        uint256 job = _stated(1, 2);
        _agree(job, 0, LIE);
        _contest(job);
        _resume(job, 0, _suspend(job, 0), CONVICTED);
        _passDeadline(job);
        jobs.expire(job);
        vm.assertEq(_state(job), uint256(IJobMarket.State.FAILED));
        vm.assertEq(jobs.get(job).receipt, bytes32(0));
        _empty();
    }

    function testFuzz_money_is_kept(uint256 dice) public {
        uint256 job = _stated(2, 5);
        _agree(job, 0, dice % 2 == 0 ? RECEIPT : LIE);
        for (uint256 i = 0; i < 6; ++i) {
            dice = uint256(keccak256(abi.encode(dice)));
            (uint256 running, uint256 until) = jobs.disputesOf(job);
            if (until == 0 || block.timestamp > until || running != 0) break;
            uint256 index = dice % jobs.get(job).drawn;
            if (jobs.executionsOf(job)[index].receipt == bytes32(0)) continue;
            uint256 bond = _suspend(job, index);
            _resume(job, index, bond, IDisputes.Verdict(1 + (dice >> 8) % 3));
        }
        _passDeadline(job);
        jobs.expire(job);
        _empty();
    }

    /// @dev Everybody takes what is theirs; what stays is what was burned and the custodian's bond.
    function _empty() internal {
        address[4] memory people = [owner, buyer, custodian, stranger];
        for (uint256 i = 0; i < people.length + p.length; ++i) {
            address each = i < people.length ? people[i] : p[i - people.length];
            if (jobs.claimable(each) == 0) continue;
            vm.prank(each);
            jobs.withdraw();
        }
        (uint256 received, uint256 distributed) = jobs.earnings(1);
        (uint256 amount, uint256 held) = jobs.custodyOf(1);
        vm.assertEq(held, 0);
        vm.assertEq(usd.balanceOf(address(jobs)), amount + jobs.burned() + received - distributed);
    }
}
