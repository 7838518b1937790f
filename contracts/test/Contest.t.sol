// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IJobMarket} from "../src/interfaces/IJobMarket.sol";
import {IProviderRegistry} from "../src/interfaces/IProviderRegistry.sol";
import {World} from "./World.sol";

/// @title The custodian's doubt: others decide who lied, and who was wrong pays them
contract ContestTest is World {
    function setUp() public {
        _deploy();
    }

    /// @dev Two executors agreed on `receipt`, the custodian contested, three others are drawn.
    function _contested(bytes32 receipt) private returns (uint256 job) {
        job = _assigned(2, 5);
        _agree(job, 0, receipt);
        _contest(job);
        _draw(job);
    }

    function _bondLeft() private view returns (uint256 bond) {
        uint256 held;
        (bond, held) = jobs.custodyOf(1);
        vm.assertEq(held, 0);
    }

    function test_contest_holds_what_others_may_cost_and_draws_as_many_and_one() public {
        uint256 job = _assigned(2, 5);
        _agree(job, 0, RECEIPT);
        vm.expectEmit(address(jobs));
        emit IJobMarket.JobContested(job, custodian, block.number + 1);
        _contest(job);
        IJobMarket.Job memory j = jobs.get(job);
        vm.assertEq(uint256(j.state), 3);
        vm.assertEq(j.contestedFrom, 2);
        vm.assertEq(j.round, 0);
        vm.assertEq(j.receipt, bytes32(0));
        (, uint256 held) = jobs.custodyOf(1);
        vm.assertEq(held, MAX_FEE + 3 * (MAX_FEE / 2));
        _draw(job);
        vm.assertEq(jobs.get(job).drawn, 5);
    }

    function test_a_result_that_others_confirm_stands_and_the_custodian_pays_them() public {
        uint256 job = _contested(RECEIPT);
        _agree(job, 2, RECEIPT);
        vm.assertEq(_state(job), 4);
        vm.assertEq(jobs.get(job).receipt, RECEIPT);
        vm.expectEmit(address(jobs));
        emit IJobMarket.CustodianPenalized(job, 1, 3 * FEE);
        _releaseFirst(job);
        for (uint256 i = 0; i < 5; ++i) {
            vm.assertEq(jobs.claimable(p[i]), FEE);
            vm.assertEq(providers.get(p[i]).bond, BOND);
            vm.assertEq(providers.get(p[i]).locked, 0);
            vm.assertEq(providers.get(p[i]).inUse, 0);
        }
        vm.assertEq(jobs.claimable(buyer), MAX_FEE - 2 * FEE);
        vm.assertEq(_bondLeft(), CUSTODY - 3 * FEE);
    }

    function test_a_result_that_others_refute_falls_and_the_liars_pay_what_the_others_cost_beyond() public {
        uint256 job = _contested(LIE);
        (address one, address two) = (_executor(job, 0), _executor(job, 1));
        _agree(job, 2, RECEIPT);
        vm.assertEq(_state(job), 4);
        vm.assertEq(jobs.get(job).receipt, RECEIPT);
        vm.assertEq(providers.get(one).bond, BOND);
        _release(job);
        for (uint256 i = 2; i < 5; ++i) {
            vm.assertEq(jobs.claimable(_executor(job, i)), FEE);
        }
        vm.assertEq(jobs.claimable(one) + jobs.claimable(two), 0);
        vm.assertEq(providers.get(one).bond + providers.get(two).bond, 2 * (BOND - FLOOR));
        // The buyer pays two as it would have, the liars the third; nobody has the rest.
        vm.assertEq(jobs.claimable(buyer), MAX_FEE - 2 * FEE);
        vm.assertEq(providers.burned(), 2 * FLOOR - FEE);
        vm.assertEq(_bondLeft(), CUSTODY);
    }

    function test_the_custodian_s_word_alone_slashes_nobody() public {
        uint256 job = _assigned(2, 4); // two others, where three must be heard
        _agree(job, 0, RECEIPT);
        _contest(job);
        _mine(2);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotEnoughProviders.selector, 2, 3));
        jobs.draw(job);
        _passDeadline(job);
        vm.expectEmit(address(jobs));
        emit IJobMarket.JobComputed(job, RECEIPT, block.timestamp + RELEASE);
        jobs.expire(job);
        vm.assertEq(_state(job), 4);
        vm.assertEq(jobs.get(job).receipt, RECEIPT);
        _refuse(job);
        vm.assertEq(jobs.claimable(_executor(job, 0)), FEE);
        vm.assertEq(jobs.claimable(_executor(job, 1)), FEE);
        vm.assertEq(jobs.claimable(buyer), JOB_PRICE + MAX_FEE - 2 * FEE);
        vm.assertEq(_bondLeft(), CUSTODY);
        vm.assertEq(providers.burned(), 0);
    }

    function test_one_who_was_outvoted_is_heard_again() public {
        // One honest executor loses to two liars; three others side with it.
        for (uint256 i = 0; i < 7; ++i) {
            address provider = address(uint160(0x9000 + i));
            _fund(provider);
            _bond(provider);
        }
        uint256 job = _open(_license(), 2);
        _draw(job);
        _commit(job, _executor(job, 0), RECEIPT);
        _commit(job, _executor(job, 1), LIE);
        _reveal(job, _executor(job, 0), RECEIPT);
        _reveal(job, _executor(job, 1), LIE);
        _draw(job);
        _agree(job, 2, LIE);
        vm.assertEq(jobs.get(job).receipt, LIE);
        _contest(job);
        _draw(job);
        _agree(job, 3, RECEIPT);
        vm.assertEq(jobs.get(job).receipt, RECEIPT);
        _release(job);
        vm.assertEq(jobs.claimable(_executor(job, 0)), FEE);
        vm.assertEq(providers.get(_executor(job, 0)).bond, BOND);
        vm.assertEq(providers.get(_executor(job, 1)).bond, BOND - FLOOR);
        vm.assertEq(providers.get(_executor(job, 2)).bond, BOND - FLOOR);
        for (uint256 i = 3; i < 6; ++i) {
            vm.assertEq(jobs.claimable(_executor(job, i)), FEE);
        }
        vm.assertEq(jobs.claimable(buyer), MAX_FEE - 2 * FEE);
        vm.assertEq(providers.burned(), 2 * FLOOR - 2 * FEE);
        vm.assertEq(_bondLeft(), CUSTODY);
    }

    function test_a_contest_that_finds_no_majority_leaves_the_result_and_blames_nobody() public {
        uint256 job = _contested(RECEIPT);
        for (uint256 i = 2; i < 5; ++i) {
            _commit(job, _executor(job, i), keccak256(abi.encode(i)));
        }
        for (uint256 i = 2; i < 5; ++i) {
            _reveal(job, _executor(job, i), keccak256(abi.encode(i)));
        }
        vm.assertEq(_state(job), 3);
        _passDeadline(job);
        jobs.expire(job);
        vm.assertEq(_state(job), 4);
        vm.assertEq(jobs.get(job).receipt, RECEIPT);
        _release(job);
        for (uint256 i = 0; i < 5; ++i) {
            vm.assertEq(jobs.claimable(p[i]), FEE);
            vm.assertEq(providers.get(p[i]).bond, BOND);
            vm.assertEq(providers.get(p[i]).locked, 0);
        }
        vm.assertEq(_bondLeft(), CUSTODY - 3 * FEE);
    }

    function test_whoever_is_silent_in_a_contest_is_slashed_and_the_result_stands() public {
        uint256 job = _contested(RECEIPT);
        _passDeadline(job);
        jobs.expire(job);
        vm.assertEq(_state(job), 3);
        vm.assertEq(providers.burned(), 3 * FLOOR);
        _passDeadline(job);
        jobs.expire(job);
        vm.assertEq(_state(job), 4);
        _release(job);
        vm.assertEq(_bondLeft(), CUSTODY);
        vm.assertEq(jobs.claimable(_executor(job, 0)), FEE);
        vm.assertEq(jobs.claimable(_executor(job, 2)), 0);
    }

    function test_a_majority_despite_a_silent_one_ends_the_contest_at_the_deadline() public {
        uint256 job = _contested(RECEIPT);
        for (uint256 i = 2; i < 5; ++i) {
            _commit(job, _executor(job, i), RECEIPT);
        }
        _reveal(job, _executor(job, 2), RECEIPT);
        _reveal(job, _executor(job, 3), RECEIPT);
        _passDeadline(job);
        jobs.expire(job);
        vm.assertEq(_state(job), 4);
        vm.assertEq(providers.burned(), FLOOR);
        _release(job);
        vm.assertEq(_bondLeft(), CUSTODY - 2 * FEE);
    }

    function test_a_contest_that_all_decline_leaves_the_result() public {
        uint256 job = _contested(RECEIPT);
        for (uint256 i = 2; i < 5; ++i) {
            address drawn = _executor(job, i);
            vm.prank(drawn);
            jobs.decline(job);
        }
        vm.assertEq(_state(job), 3);
        _passDeadline(job);
        jobs.expire(job);
        vm.assertEq(_state(job), 4);
        vm.assertEq(jobs.get(job).receipt, RECEIPT);
    }

    function test_a_silent_custodian_pays_for_its_contest_too() public {
        uint256 job = _contested(RECEIPT);
        _agree(job, 2, RECEIPT);
        _passDeadline(job);
        jobs.expire(job);
        vm.assertEq(_state(job), 8);
        vm.assertEq(jobs.claimable(buyer), JOB_PRICE + MAX_FEE);
        vm.assertEq(_bondLeft(), CUSTODY - 5 * FEE);
    }

    function test_contest_once_in_time_by_the_custodian_with_a_bond() public {
        uint256 job = _assigned(2, 5);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.WrongState.selector, job, IJobMarket.State.ASSIGNED));
        _contest(job);
        _agree(job, 0, RECEIPT);
        uint256 needed = 3 * (MAX_FEE / 2);
        vm.prank(owner);
        jobs.unbondCustodian(1, CUSTODY - MAX_FEE - needed + 1);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.CustodianNotBonded.selector, 1, needed - 1, needed));
        _contest(job);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NotCustodian.selector, job, stranger));
        jobs.contest(job);
        vm.prank(owner);
        jobs.bondCustodian(1, 1);
        uint256 deadline = jobs.get(job).deadline;
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.DeadlinePassed.selector, job, deadline));
        _contest(job);
        vm.warp(deadline);
        _contest(job);
        _draw(job);
        _agree(job, 2, RECEIPT);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.AlreadyContested.selector, job));
        _contest(job);
    }

    function test_contest_draws_only_whom_the_stakes_in_question_can_pay() public {
        // Two cheap executors answer with the floor each: at most a third of both is what another may cost.
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(p[i]);
            providers.bond(BOND, 0, PRICE / 6, CAPACITY);
        }
        uint256 license = _license();
        vm.prank(owner);
        jobs.bondCustodian(1, 1_000 * USD);
        IJobMarket.Order memory o = _order(license, 2);
        o.maxFee = 40 * USD;
        vm.prank(buyer);
        uint256 job = jobs.open(o);
        _draw(job);
        _agree(job, 0, RECEIPT);
        for (uint256 i = 2; i < 5; ++i) {
            vm.prank(p[i]);
            providers.bond(BOND, uint48(2 * FLOOR / 3) + 1, 0, CAPACITY);
        }
        _contest(job);
        _mine(2);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotEnoughProviders.selector, 0, 3));
        jobs.draw(job);
        for (uint256 i = 2; i < 5; ++i) {
            vm.prank(p[i]);
            providers.setTerms(uint48(2 * FLOOR / 3), 0, CAPACITY);
        }
        jobs.draw(job);
        vm.assertEq(_state(job), 2);
    }
}
