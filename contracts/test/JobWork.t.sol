// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IJobMarket} from "../src/interfaces/IJobMarket.sol";
import {World} from "./World.sol";

/// @title Commitments and receipts
contract JobWorkTest is World {
    function setUp() public {
        _deploy();
    }

    // --- commit

    function test_commit_is_kept_and_the_last_one_opens_the_reveals() public {
        uint256 job = _assigned(2, 2);
        (address a, address b) = (_executor(job, 0), _executor(job, 1));
        vm.expectEmit(address(jobs));
        emit IJobMarket.Committed(job, a, LIE);
        vm.prank(a);
        jobs.commit(job, LIE);
        vm.assertEq(jobs.executionsOf(job)[0].commitment, LIE);
        vm.assertFalse(jobs.get(job).revealing);
        vm.warp(block.timestamp + COMMIT);
        vm.expectEmit(address(jobs));
        emit IJobMarket.Committed(job, b, SALT);
        vm.expectEmit(address(jobs));
        emit IJobMarket.RevealsOpen(job, block.timestamp + REVEAL);
        vm.prank(b);
        jobs.commit(job, SALT);
        vm.assertTrue(jobs.get(job).revealing);
        vm.assertEq(jobs.get(job).deadline, block.timestamp + REVEAL);
    }

    function testFuzz_commit_only_by_the_drawn(address caller, bytes32 commitment) public {
        uint256 job = _assigned(2, 2);
        vm.assume(caller != _executor(job, 0) && caller != _executor(job, 1) && commitment != 0);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NotAnExecutor.selector, job, caller));
        vm.prank(caller);
        jobs.commit(job, commitment);
    }

    function test_commit_happens_once_in_time_with_something() public {
        uint256 job = _assigned(2, 2);
        address a = _executor(job, 0);
        vm.startPrank(a);
        vm.expectRevert(IJobMarket.ZeroCommitment.selector);
        jobs.commit(job, bytes32(0));
        jobs.commit(job, LIE);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.AlreadyCommitted.selector, job, a));
        jobs.commit(job, SALT);
        vm.stopPrank();
        uint256 deadline = jobs.get(job).deadline;
        vm.warp(deadline + 1);
        address b = _executor(job, 1);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.DeadlinePassed.selector, job, deadline));
        vm.prank(b);
        jobs.commit(job, LIE);
    }

    function test_commit_refuses_a_job_that_is_not_assigned() public {
        uint256 job = _open(_license(), 2);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.WrongState.selector, job, IJobMarket.State.OPEN));
        vm.prank(p[0]);
        jobs.commit(job, LIE);
    }

    // --- reveal

    function test_equal_receipts_make_the_result_and_the_answer_pays_the_executors() public {
        uint256 job = _assigned(2, 2);
        (address a, address b) = (_executor(job, 0), _executor(job, 1));
        _commit(job, a, RECEIPT);
        _commit(job, b, RECEIPT);
        vm.expectEmit(address(jobs));
        emit IJobMarket.Revealed(job, a, RECEIPT);
        _reveal(job, a, RECEIPT);
        vm.assertEq(jobs.executionsOf(job)[0].receipt, RECEIPT);
        vm.assertEq(jobs.executionsOf(job)[0].commitment, bytes32(0));
        vm.assertEq(jobs.get(job).receipt, bytes32(0));
        vm.expectEmit(address(jobs));
        emit IJobMarket.Revealed(job, b, RECEIPT);
        vm.expectEmit(address(jobs));
        emit IJobMarket.JobComputed(job, RECEIPT, block.timestamp + RELEASE);
        _reveal(job, b, RECEIPT);
        IJobMarket.Job memory j = jobs.get(job);
        vm.assertEq(uint256(j.state), uint256(IJobMarket.State.COMPUTED));
        vm.assertEq(j.receipt, RECEIPT);
        vm.assertEq(j.deadline, block.timestamp + RELEASE);
        vm.assertFalse(j.revealing);
        vm.assertEq(jobs.claimable(a), 0);
        vm.assertEq(providers.get(a).locked, FLOOR);
        vm.expectEmit(address(jobs));
        emit IJobMarket.PaymentReleased(job, a, FEE);
        vm.expectEmit(address(jobs));
        emit IJobMarket.PaymentReleased(job, b, FEE);
        vm.expectEmit(address(jobs));
        emit IJobMarket.Refunded(job, buyer, MAX_FEE - 2 * FEE);
        _release(job);
        vm.assertEq(jobs.claimable(a), FEE);
        vm.assertEq(jobs.claimable(b), FEE);
        vm.assertEq(jobs.claimable(buyer), MAX_FEE - 2 * FEE);
        vm.assertEq(providers.get(a).locked, 0);
        vm.assertEq(providers.get(b).locked, 0);
    }

    function testFuzz_reveal_with_any_number_of_replicas_and_any_price(uint8 replicas, uint96 price, uint96 maxFee)
        public
    {
        uint256 license = _license();
        uint256 n = _bound(replicas, 1, 5);
        uint256 cap = _bound(maxFee, 0, 10_000 * USD);
        vm.prank(owner);
        jobs.bondCustodian(1, 10_000 * USD);
        uint256 fee = _bound(price, 0, cap / n);
        (uint48 fixedFee, uint48 each) = _termsFor(fee, price);
        for (uint256 i = 0; i < 5; ++i) {
            vm.prank(p[i]);
            providers.bond(500_000 * USD, fixedFee, each, UNITS);
        }
        IJobMarket.Order memory o = _order(license, uint8(n));
        o.maxFee = cap;
        vm.prank(buyer);
        uint256 job = jobs.open(o);
        _draw(job);
        _agree(job, 0, RECEIPT);
        vm.assertEq(_state(job), 4);
        _release(job);
        for (uint256 i = 0; i < n; ++i) {
            vm.assertEq(jobs.claimable(_executor(job, i)), fee);
        }
        vm.assertEq(jobs.claimable(buyer), cap - n * fee);
        vm.assertEq(usd.balanceOf(address(jobs)), JOB_PRICE + cap + CUSTODY + 10_000 * USD);
    }

    function test_reveal_refunds_nothing_when_nothing_is_left() public {
        uint256 license = _license();
        _bondFirst(2);
        IJobMarket.Order memory o = _order(license, 2);
        o.maxFee = 2 * FEE;
        vm.prank(buyer);
        uint256 job = jobs.open(o);
        _draw(job);
        _agree(job, 0, RECEIPT);
        _release(job);
        vm.assertEq(jobs.claimable(buyer), 0);
    }

    function test_reveal_not_before_everybody_committed() public {
        uint256 job = _assigned(2, 2);
        address a = _executor(job, 0);
        _commit(job, a, RECEIPT);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.RevealsNotOpen.selector, job));
        _revealRaw(job, a, RECEIPT, SALT);
    }

    function testFuzz_reveal_only_of_what_was_committed(bytes32 receipt, bytes32 salt) public {
        uint256 job = _assigned(2, 2);
        (address a, address b) = (_executor(job, 0), _executor(job, 1));
        _commit(job, a, RECEIPT);
        _commit(job, b, RECEIPT);
        vm.assume(receipt != 0 && (receipt != RECEIPT || salt != SALT));
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.WrongReveal.selector, job, a));
        _revealRaw(job, a, receipt, salt);
    }

    function test_reveal_refuses_a_copied_commitment() public {
        uint256 job = _assigned(2, 2);
        (address a, address b) = (_executor(job, 0), _executor(job, 1));
        _commit(job, a, RECEIPT);
        bytes32 copied = jobs.executionsOf(job)[0].commitment;
        vm.prank(b);
        jobs.commit(job, copied);
        _reveal(job, a, RECEIPT);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.WrongReveal.selector, job, b));
        _revealRaw(job, b, RECEIPT, SALT);
    }

    function test_reveal_happens_once_in_time_by_an_executor_with_something() public {
        uint256 job = _assigned(2, 2);
        (address a, address b) = (_executor(job, 0), _executor(job, 1));
        _commit(job, a, RECEIPT);
        _commit(job, b, RECEIPT);
        vm.expectRevert(IJobMarket.ZeroDigest.selector);
        _revealRaw(job, a, bytes32(0), SALT);
        _reveal(job, a, RECEIPT);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.AlreadyRevealed.selector, job, a));
        _revealRaw(job, a, RECEIPT, SALT);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NotAnExecutor.selector, job, stranger));
        _revealRaw(job, stranger, RECEIPT, SALT);
        uint256 deadline = jobs.get(job).deadline;
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.DeadlinePassed.selector, job, deadline));
        _revealRaw(job, b, RECEIPT, SALT);
        vm.warp(deadline);
        _reveal(job, b, RECEIPT);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.WrongState.selector, job, IJobMarket.State.COMPUTED));
        _revealRaw(job, a, RECEIPT, SALT);
    }

    function testFuzz_commitmentFor_is_bound_to_chain_contract_job_and_provider(
        uint256 job,
        address provider,
        bytes32 receipt,
        bytes32 salt
    ) public view {
        vm.assertEq(
            jobs.commitmentFor(job, provider, receipt, salt),
            keccak256(abi.encode(block.chainid, address(jobs), job, provider, receipt, salt))
        );
    }

    function _revealRaw(uint256 job, address caller, bytes32 receipt, bytes32 salt) private {
        vm.prank(caller);
        jobs.reveal(job, receipt, salt);
    }
}
