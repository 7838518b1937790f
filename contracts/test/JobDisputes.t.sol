// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IJobMarket} from "../src/interfaces/IJobMarket.sol";
import {IProviderRegistry} from "../src/interfaces/IProviderRegistry.sol";
import {World} from "./World.sol";

/// @title Disagreement, silence, missed deadlines
contract JobDisputesTest is World {
    function setUp() public {
        _deploy();
    }

    // --- disagreement

    function test_two_digests_draw_a_third_executor_who_decides() public {
        uint256 job = _assigned(2, 3);
        (address honest, address liar) = (_executor(job, 0), _executor(job, 1));
        _commit(job, honest, RECEIPT);
        _commit(job, liar, LIE);
        _reveal(job, honest, RECEIPT);
        vm.expectEmit(address(jobs));
        emit IJobMarket.JobDisputed(job, 1, block.number + 1);
        _reveal(job, liar, LIE);
        vm.assertEq(_state(job), 3);
        vm.assertEq(jobs.get(job).round, 1);
        vm.assertEq(jobs.get(job).deadline, block.timestamp + DRAW);
        _draw(job);
        vm.assertEq(jobs.get(job).drawn, 3);
        address third = _executor(job, 2);
        vm.assertTrue(third != honest && third != liar);
        _commit(job, third, RECEIPT);
        vm.expectEmit(address(jobs));
        emit IJobMarket.Revealed(job, third, RECEIPT);
        _reveal(job, third, RECEIPT);
        vm.assertEq(_state(job), 4);
        vm.assertEq(jobs.get(job).receipt, RECEIPT);
        vm.assertEq(providers.get(liar).bond, BOND);
        vm.expectEmit(address(jobs));
        emit IJobMarket.PaymentReleased(job, honest, FEE);
        vm.expectEmit(address(jobs));
        emit IJobMarket.PaymentReleased(job, third, FEE);
        vm.expectEmit(address(providers));
        emit IProviderRegistry.Slashed(liar, FLOOR, FLOOR, BOND - FLOOR);
        vm.expectEmit(address(jobs));
        emit IJobMarket.ExecutorSlashed(job, liar, FLOOR, false);
        _release(job);
        vm.assertEq(jobs.claimable(honest), FEE);
        vm.assertEq(jobs.claimable(third), FEE);
        vm.assertEq(providers.burned(), FLOOR);
        vm.assertEq(jobs.claimable(liar), 0);
        vm.assertEq(jobs.claimable(buyer), MAX_FEE - 2 * FEE);
        vm.assertEq(providers.get(liar).bond, BOND - FLOOR);
        vm.assertEq(providers.get(liar).locked, 0);
        vm.assertEq(providers.get(liar).heartbeat, block.timestamp);
    }

    function test_the_majority_wins_even_when_the_first_to_reveal_is_alone() public {
        uint256 job = _assigned(2, 3);
        _disagree(job);
        _draw(job);
        _agree(job, 2, LIE);
        vm.assertEq(jobs.get(job).receipt, LIE);
        _release(job);
        vm.assertEq(providers.get(_executor(job, 0)).bond, BOND - FLOOR);
    }

    function test_a_loser_s_stake_is_burned_and_makes_nobody_richer() public {
        uint256 job = _assigned(3, 5);
        _commit(job, _executor(job, 0), RECEIPT);
        _commit(job, _executor(job, 1), RECEIPT);
        _commit(job, _executor(job, 2), LIE);
        _reveal(job, _executor(job, 0), RECEIPT);
        _reveal(job, _executor(job, 1), RECEIPT);
        _reveal(job, _executor(job, 2), LIE);
        vm.assertEq(_state(job), 3);
        _draw(job);
        vm.assertEq(jobs.get(job).drawn, 4);
        _agree(job, 3, RECEIPT);
        vm.assertEq(_state(job), 4);
        _release(job);
        vm.assertEq(jobs.claimable(_executor(job, 3)), FEE);
        vm.assertEq(jobs.claimable(buyer), MAX_FEE - 3 * FEE);
        vm.assertEq(providers.burned(), FLOOR);
    }

    function test_a_buyer_never_pays_more_than_the_cap_however_long_the_dispute() public {
        uint256 job = _assigned(3, 5);
        bytes32[5] memory claims = [RECEIPT, LIE, keccak256("third"), RECEIPT, RECEIPT];
        for (uint256 i = 0; i < 3; ++i) {
            _commit(job, _executor(job, i), claims[i]);
        }
        for (uint256 i = 0; i < 3; ++i) {
            _reveal(job, _executor(job, i), claims[i]);
        }
        _draw(job);
        vm.assertEq(jobs.get(job).drawn, 5);
        for (uint256 i = 3; i < 5; ++i) {
            _commit(job, _executor(job, i), claims[i]);
        }
        for (uint256 i = 3; i < 5; ++i) {
            _reveal(job, _executor(job, i), claims[i]);
        }
        vm.assertEq(_state(job), 4);
        _release(job);
        vm.assertEq(jobs.claimable(buyer) + 3 * FEE, MAX_FEE);
        vm.assertEq(providers.burned(), 2 * FLOOR);
    }

    function test_no_agreement_in_four_rounds_fails_the_job_and_refunds_everything() public {
        uint256 job = _endless(2);
        vm.assertEq(_state(job), 9);
        vm.assertEq(jobs.claimable(buyer), JOB_PRICE + MAX_FEE);
        vm.assertEq(licenses.licenseOf(1).jobsLeft, 10);
        for (uint256 i = 0; i < 5; ++i) {
            vm.assertEq(jobs.claimable(p[i]), 0);
            vm.assertEq(providers.get(p[i]).bond, BOND);
            vm.assertEq(providers.get(p[i]).locked, 0);
        }
    }

    function test_failing_tells_so() public {
        uint256 job = _endlessUntilLast(2);
        vm.expectEmit(address(jobs));
        emit IJobMarket.JobFailed(job);
        vm.expectEmit(address(jobs));
        emit IJobMarket.Refunded(job, buyer, JOB_PRICE + MAX_FEE);
        _reveal(job, _executor(job, 4), keccak256(abi.encode("claim", 4)));
        vm.assertEq(jobs.get(job).closedBlock, block.number);
    }

    /// @dev Everybody says something else, round after round.
    function _endless(uint8 replicas) private returns (uint256 job) {
        job = _endlessUntilLast(replicas);
        _reveal(job, _executor(job, 4), keccak256(abi.encode("claim", 4)));
    }

    function _endlessUntilLast(uint8 replicas) private returns (uint256 job) {
        job = _assigned(replicas, 5);
        for (uint256 round = 0; round < 4; ++round) {
            uint256 drawn = jobs.get(job).drawn;
            uint256 first = round == 0 ? 0 : drawn - 1;
            for (uint256 i = first; i < drawn; ++i) {
                _commit(job, _executor(job, i), keccak256(abi.encode("claim", i)));
            }
            for (uint256 i = first; i < drawn; ++i) {
                if (i < 4) _reveal(job, _executor(job, i), keccak256(abi.encode("claim", i)));
            }
            if (round < 3) {
                vm.assertEq(_state(job), 3);
                _draw(job);
            }
        }
    }

    function test_a_job_draws_so_few_that_a_contest_still_can_and_at_most_sixteen() public {
        for (uint256 i = 0; i < 20; ++i) {
            address provider = address(uint160(0x9000 + i));
            _fund(provider);
            _bond(provider);
        }
        uint256 job = _open(_license(), 5);
        for (uint256 round = 0; round < 2; ++round) {
            _draw(job);
            vm.assertEq(jobs.get(job).drawn, 5 * (round + 1));
            _passDeadline(job);
            jobs.expire(job); // nobody ever commits
        }
        vm.assertEq(_state(job), 9);
        vm.assertEq(jobs.claimable(buyer), JOB_PRICE + MAX_FEE);
        vm.assertEq(providers.burned(), 10 * FLOOR);
        vm.assertEq(usd.balanceOf(address(jobs)), JOB_PRICE + MAX_FEE + CUSTODY);
    }

    // --- silence

    function test_silence_at_commitment_is_replaced_before_anybody_reveals() public {
        uint256 job = _assigned(2, 3);
        (address diligent, address silent) = (_executor(job, 0), _executor(job, 1));
        _commit(job, diligent, RECEIPT);
        _passDeadline(job);
        vm.expectEmit(address(jobs));
        emit IJobMarket.ExecutorSlashed(job, silent, FLOOR, true);
        vm.expectEmit(address(jobs));
        emit IJobMarket.JobDisputed(job, 1, block.number + 1);
        vm.prank(stranger);
        jobs.expire(job);
        vm.assertEq(_state(job), 3);
        vm.assertEq(providers.burned(), FLOOR);
        vm.assertTrue(jobs.executionsOf(job)[1].out);
        vm.assertEq(providers.get(silent).heartbeat, 0);
        _draw(job);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.RevealsNotOpen.selector, job));
        _reveal(job, diligent, RECEIPT);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NotAnExecutor.selector, job, silent));
        vm.prank(silent);
        jobs.commit(job, LIE);
        address third = _executor(job, 2);
        vm.assertTrue(third != silent && third != diligent);
        _commit(job, third, RECEIPT);
        _reveal(job, third, RECEIPT);
        _reveal(job, diligent, RECEIPT);
        vm.assertEq(_state(job), 4);
        _release(job);
        vm.assertEq(jobs.claimable(diligent), FEE);
        vm.assertEq(jobs.claimable(third), FEE);
        vm.assertEq(jobs.claimable(silent), 0);
        vm.assertEq(providers.get(diligent).locked, 0);
    }

    function test_silence_at_reveal_costs_the_stake_and_draws_another() public {
        uint256 job = _assigned(2, 3);
        (address diligent, address silent) = (_executor(job, 0), _executor(job, 1));
        _commit(job, diligent, RECEIPT);
        _commit(job, silent, RECEIPT);
        _reveal(job, diligent, RECEIPT);
        _passDeadline(job);
        vm.expectEmit(address(jobs));
        emit IJobMarket.ExecutorSlashed(job, silent, FLOOR, true);
        jobs.expire(job);
        vm.assertEq(_state(job), 3);
        _draw(job);
        _agree(job, 2, RECEIPT);
        vm.assertEq(_state(job), 4);
        _release(job);
        vm.assertEq(jobs.claimable(diligent), FEE);
        vm.assertEq(jobs.claimable(silent), 0);
    }

    function test_a_replacement_round_that_is_silent_again_goes_on() public {
        uint256 job = _assigned(2, 5);
        _commit(job, _executor(job, 0), RECEIPT);
        for (uint256 round = 1; round < 4; ++round) {
            _passDeadline(job);
            jobs.expire(job);
            vm.assertEq(_state(job), 3);
            vm.assertEq(providers.burned(), round * FLOOR);
            _draw(job);
        }
        _passDeadline(job);
        jobs.expire(job);
        vm.assertEq(_state(job), 9);
        // the one who committed lost nothing, the four silent ones their stakes, to nobody
        vm.assertEq(providers.get(_executor(job, 0)).locked, 0);
        vm.assertEq(providers.get(_executor(job, 0)).bond, BOND);
        vm.assertEq(jobs.claimable(buyer), JOB_PRICE + MAX_FEE);
        vm.assertEq(providers.burned(), 4 * FLOOR);
    }

    function test_two_providers_are_enough_until_one_fails_and_then_everything_comes_back() public {
        uint256 job = _assigned(2, 2);
        _commit(job, _executor(job, 0), RECEIPT);
        _passDeadline(job);
        jobs.expire(job);
        _mine(2);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotEnoughProviders.selector, 0, 1));
        jobs.draw(job);
        _passDeadline(job);
        jobs.expire(job);
        vm.assertEq(_state(job), 9);
        vm.assertEq(jobs.claimable(buyer), JOB_PRICE + MAX_FEE);
        vm.assertEq(providers.get(_executor(job, 0)).locked, 0);
    }

    function test_a_dispute_draw_arms_again_when_its_seed_is_gone() public {
        uint256 job = _assigned(2, 3);
        _disagree(job);
        vm.roll(jobs.get(job).seedBlock + 300);
        jobs.draw(job);
        vm.assertEq(_state(job), 3);
        _draw(job);
        vm.assertEq(_state(job), 2);
    }

    // --- deadlines

    function test_expire_of_a_job_that_nobody_drew_gives_everything_back() public {
        uint256 license = _license();
        uint256 job = _open(license, 2);
        _passDeadline(job);
        vm.expectEmit(address(jobs));
        emit IJobMarket.JobExpired(job, IJobMarket.State.OPEN);
        vm.expectEmit(address(jobs));
        emit IJobMarket.Refunded(job, buyer, JOB_PRICE + MAX_FEE);
        jobs.expire(job);
        vm.assertEq(_state(job), 8);
        vm.assertEq(jobs.get(job).deadline, 0);
        vm.assertEq(jobs.get(job).closedBlock, block.number);
        vm.assertEq(jobs.claimable(buyer), JOB_PRICE + MAX_FEE);
        vm.assertEq(licenses.licenseOf(license).jobsLeft, 10);
        vm.assertEq(licenses.licenseOf(license).rowsLeft, 10_000);
        uint256 before = usd.balanceOf(buyer);
        vm.prank(buyer);
        jobs.withdraw();
        vm.assertEq(usd.balanceOf(buyer) - before, JOB_PRICE + MAX_FEE);
    }

    function test_expire_of_a_silent_custodian_costs_its_bond_what_the_buyer_lost() public {
        uint256 job = _computed();
        _passDeadline(job);
        vm.expectEmit(address(jobs));
        emit IJobMarket.JobExpired(job, IJobMarket.State.COMPUTED);
        vm.expectEmit(address(jobs));
        emit IJobMarket.CustodianPenalized(job, 1, 2 * FEE);
        vm.expectEmit(address(jobs));
        emit IJobMarket.Refunded(job, buyer, JOB_PRICE + MAX_FEE);
        jobs.expire(job);
        vm.assertEq(_state(job), 8);
        vm.assertEq(jobs.claimable(buyer), JOB_PRICE + MAX_FEE);
        vm.assertEq(licenses.licenseOf(1).jobsLeft, 10);
        vm.assertEq(jobs.claimable(_executor(job, 0)), FEE);
        vm.assertEq(jobs.claimable(_executor(job, 1)), FEE);
        (uint256 bond, uint256 held) = jobs.custodyOf(1);
        vm.assertEq(bond, CUSTODY - 2 * FEE);
        vm.assertEq(held, 0);
        vm.assertEq(jobs.decisionHead(1), HEAD);
    }

    function testFuzz_expire_not_before_the_deadline(uint32 early) public {
        uint256 job = _open(_license(), 2);
        uint256 deadline = jobs.get(job).deadline;
        vm.warp(deadline - _bound(early, 0, DRAW));
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.DeadlineNotReached.selector, job, deadline));
        jobs.expire(job);
    }

    function test_expire_refuses_what_is_over_or_never_was() public {
        uint256 job = _computed();
        _release(job);
        vm.warp(block.timestamp + 365 days);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.WrongState.selector, job, IJobMarket.State.SETTLED));
        jobs.expire(job);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.WrongState.selector, 9, IJobMarket.State.NONE));
        jobs.expire(9);
    }
}
