// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IJobMarket} from "../src/interfaces/IJobMarket.sol";
import {Evaluator} from "../src/agents/Evaluator.sol";
import {Evaluators} from "../src/agents/Evaluators.sol";
import {AgenticCommerce} from "./AgenticCommerce.sol";
import {World} from "./World.sol";

/// @title A job elsewhere is paid exactly when re-execution and release agree here
contract EvaluatorTest is World {
    uint256 internal constant PRICE_THERE = 7 * USD;

    Evaluators internal evaluators;
    AgenticCommerce internal commerce;
    address internal worker = address(0x3003);

    function setUp() public {
        _deploy();
        evaluators = new Evaluators(jobs);
        commerce = new AgenticCommerce(usd);
    }

    /// @dev A funded and submitted job elsewhere, whose evaluator is a job's here.
    function _deal(uint256 job, bool submitted) internal returns (uint256 id, Evaluator evaluator) {
        evaluator = Evaluator(evaluators.make(job));
        vm.startPrank(buyer);
        id = commerce.createJob(worker, address(evaluator), block.timestamp + 30 days, PRICE_THERE);
        usd.approve(address(commerce), PRICE_THERE);
        commerce.fund(id);
        vm.stopPrank();
        if (!submitted) return (id, evaluator);
        vm.prank(worker);
        commerce.submit(id, RECEIPT);
    }

    function _ended(uint256 id, AgenticCommerce.Status status, bytes32 reason) internal view {
        (AgenticCommerce.Status found, bytes32 why) = commerce.statusOf(id);
        vm.assertEq(uint256(found), uint256(status));
        vm.assertEq(why, reason);
    }

    function test_a_settled_job_completes_with_the_agreed_receipt() public {
        uint256 job = _computed();
        (uint256 id, Evaluator evaluator) = _deal(job, true);
        vm.assertEq(evaluator.job(), job);
        vm.expectRevert(abi.encodeWithSelector(Evaluator.JobNotOver.selector, job, IJobMarket.State.COMPUTED));
        evaluator.evaluate(commerce, id);
        _release(job);
        vm.expectEmit(address(evaluator));
        emit Evaluator.Evaluated(address(commerce), id, true, RECEIPT);
        vm.prank(stranger);
        vm.assertTrue(evaluator.evaluate(commerce, id));
        _ended(id, AgenticCommerce.Status.Completed, RECEIPT);
        vm.assertEq(usd.balanceOf(worker), PRICE_THERE);
        vm.expectRevert(AgenticCommerce.NotNow.selector);
        evaluator.evaluate(commerce, id);
    }

    function test_a_refused_job_refunds_the_client() public {
        uint256 job = _computed();
        (uint256 id, Evaluator evaluator) = _deal(job, true);
        bytes32 head = _head(job);
        vm.prank(custodian);
        jobs.refuse(job, REASON, DECISION, head);
        vm.assertFalse(evaluator.evaluate(commerce, id));
        _ended(id, AgenticCommerce.Status.Rejected, "refused");
        vm.assertEq(usd.balanceOf(worker), 0);
    }

    function test_a_job_that_expired_rejects_before_anything_was_submitted() public {
        uint256 license = _license();
        _bondFirst(2);
        uint256 job = _open(license, 2);
        (uint256 id, Evaluator evaluator) = _deal(job, false);
        vm.warp(block.timestamp + DRAW + 1);
        jobs.expire(job);
        vm.assertFalse(evaluator.evaluate(commerce, id));
        _ended(id, AgenticCommerce.Status.Rejected, "expired");
    }

    function test_a_job_without_a_majority_rejects() public {
        uint256 job = _assigned(2, 2);
        (uint256 id, Evaluator evaluator) = _deal(job, true);
        _disagree(job);
        for (uint256 i = 0; i < 8 && jobs.get(job).state == IJobMarket.State.DISPUTED; ++i) {
            vm.warp(jobs.get(job).deadline + 1);
            jobs.expire(job);
        }
        vm.assertEq(uint256(jobs.get(job).state), uint256(IJobMarket.State.FAILED));
        evaluator.evaluate(commerce, id);
        _ended(id, AgenticCommerce.Status.Rejected, "failed");
    }

    function test_it_decides_nothing_that_did_not_name_it() public {
        uint256 job = _computed();
        (uint256 id,) = _deal(job, true);
        _release(job);
        Evaluator other = Evaluator(evaluators.make(job + 1));
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NoSuchJob.selector, job + 1));
        other.evaluate(commerce, id);
        vm.prank(buyer);
        uint256 foreign = commerce.createJob(worker, worker, block.timestamp + 1, PRICE_THERE);
        Evaluator own = Evaluator(evaluators.make(job));
        vm.expectRevert(AgenticCommerce.NotYou.selector);
        own.evaluate(commerce, foreign);
    }

    function test_an_address_is_known_before_it_is_made_and_made_once() public {
        address there = evaluators.evaluatorOf(42);
        vm.assertEq(there.code.length, 0);
        vm.expectEmit(address(evaluators));
        emit Evaluators.EvaluatorMade(42, there);
        vm.assertEq(evaluators.make(42), there);
        vm.assertEq(evaluators.make(42), there);
        vm.assertEq(Evaluator(there).job(), 42);
        vm.assertTrue(evaluators.evaluatorOf(43) != there);
    }
}
