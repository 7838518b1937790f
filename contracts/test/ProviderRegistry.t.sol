// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProviderRegistry} from "../src/interfaces/IProviderRegistry.sol";
import {Permits} from "../src/Permits.sol";
import {World} from "./World.sol";

/// @title Bonds, seats, signs of life, the draw, slashing
contract ProviderRegistryTest is World {
    function setUp() public {
        _deploy();
    }

    // --- bond

    function test_bond_takes_the_money_and_a_seat() public {
        uint256 before = usd.balanceOf(p[0]);
        vm.expectEmit(address(providers));
        emit IProviderRegistry.TermsSet(p[0], PRICE, UNITS);
        vm.expectEmit(address(providers));
        emit IProviderRegistry.Seated(p[0], 1);
        vm.expectEmit(address(providers));
        emit IProviderRegistry.Bonded(p[0], BOND, BOND);
        _bond(p[0]);
        IProviderRegistry.Provider memory r = providers.get(p[0]);
        vm.assertEq(r.bond, BOND);
        vm.assertEq(r.locked, 0);
        vm.assertEq(r.price, PRICE);
        vm.assertEq(r.capacity, UNITS);
        vm.assertEq(r.heartbeat, block.timestamp);
        vm.assertEq(r.unbonding, 0);
        vm.assertEq(r.seat, 1);
        vm.assertEq(before - usd.balanceOf(p[0]), BOND);
        vm.assertEq(providers.seatCount(), 1);
        vm.assertEq(providers.seatAt(1), p[0]);
        vm.assertEq(providers.providers().length, 1);
    }

    function testFuzz_bond_adds_up(uint96 first, uint96 second) public {
        uint256 a = _bound(first, FLOOR, 400_000 * USD);
        uint256 b = _bound(second, 0, 400_000 * USD);
        vm.startPrank(p[0]);
        providers.bond(a, PRICE, UNITS);
        vm.expectEmit(address(providers));
        emit IProviderRegistry.Bonded(p[0], b, a + b);
        providers.bond(b, PRICE + 1, UNITS);
        vm.stopPrank();
        vm.assertEq(providers.get(p[0]).bond, a + b);
        vm.assertEq(providers.get(p[0]).price, PRICE + 1);
        vm.assertEq(usd.balanceOf(address(providers)), a + b);
        vm.assertEq(providers.seatCount(), 1);
    }

    function testFuzz_bond_refuses_less_than_the_floor(uint256 amount) public {
        amount = _bound(amount, 0, FLOOR - 1);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.BondTooSmall.selector, amount, FLOOR));
        vm.prank(p[0]);
        providers.bond(amount, PRICE, UNITS);
    }

    function test_bond_refuses_what_the_record_cannot_hold_and_no_capacity() public {
        vm.startPrank(p[0]);
        vm.expectRevert(IProviderRegistry.BadProviderTerms.selector);
        providers.bond(uint256(type(uint96).max) + 1, PRICE, UNITS);
        vm.expectRevert(IProviderRegistry.BadProviderTerms.selector);
        providers.bond(BOND, PRICE, 0);
        vm.stopPrank();
    }

    function test_bond_refuses_an_empty_purse() public {
        vm.expectRevert();
        vm.prank(stranger);
        providers.bond(BOND, PRICE, UNITS);
    }

    function test_bondWithPermit_needs_no_approval() public {
        vm.prank(buyer);
        usd.approve(address(providers), 0);
        (uint8 v, bytes32 r, bytes32 s) = _signPermit(address(providers), BOND, block.timestamp);
        vm.expectEmit(address(providers));
        emit IProviderRegistry.Bonded(buyer, BOND, BOND);
        vm.prank(buyer);
        providers.bondWithPermit(BOND, PRICE, UNITS, block.timestamp, v, r, s);
        vm.assertEq(providers.get(buyer).bond, BOND);
    }

    function testFuzz_bondWithPermit_refuses_a_bad_permit_without_allowance(bytes32 r) public {
        vm.prank(buyer);
        usd.approve(address(providers), BOND - 1);
        vm.expectRevert(abi.encodeWithSelector(Permits.NoAllowance.selector, BOND - 1, BOND));
        vm.prank(buyer);
        providers.bondWithPermit(BOND, PRICE, UNITS, block.timestamp, 28, r, bytes32(uint256(1)));
    }

    // --- setTerms, heartbeat

    function testFuzz_setTerms_changes_later_draws(uint96 price, uint64 capacity) public {
        vm.assume(capacity != 0);
        _bond(p[0]);
        vm.expectEmit(address(providers));
        emit IProviderRegistry.TermsSet(p[0], price, capacity);
        vm.prank(p[0]);
        providers.setTerms(price, capacity);
        vm.assertEq(providers.get(p[0]).price, price);
        vm.assertEq(providers.get(p[0]).capacity, capacity);
    }

    function test_setTerms_refuses_no_capacity_and_the_unbonded() public {
        _bond(p[0]);
        vm.expectRevert(IProviderRegistry.BadProviderTerms.selector);
        vm.prank(p[0]);
        providers.setTerms(PRICE, 0);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotBonded.selector, stranger));
        vm.prank(stranger);
        providers.setTerms(PRICE, UNITS);
    }

    function test_heartbeat_renews_life() public {
        _bond(p[0]);
        vm.warp(block.timestamp + ALIVE + 1);
        vm.expectEmit(address(providers));
        emit IProviderRegistry.Heartbeat(p[0]);
        vm.prank(p[0]);
        providers.heartbeat();
        vm.assertEq(providers.get(p[0]).heartbeat, block.timestamp);
    }

    function testFuzz_heartbeat_and_setTerms_are_for_the_serving(address caller) public {
        vm.startPrank(caller);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotBonded.selector, caller));
        providers.heartbeat();
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotBonded.selector, caller));
        providers.setTerms(PRICE, UNITS);
        vm.stopPrank();
    }

    function test_heartbeat_while_unbonding_is_refused() public {
        _bond(p[0]);
        vm.startPrank(p[0]);
        providers.unbond();
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.AlreadyUnbonding.selector, p[0]));
        providers.heartbeat();
        vm.stopPrank();
    }

    function test_heartbeat_below_the_floor_is_refused() public {
        vm.prank(p[0]);
        providers.bond(FLOOR + 1, PRICE, UNITS);
        _hold(p[0]);
        vm.prank(address(jobs));
        providers.slash(p[0], 0, true);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotBonded.selector, p[0]));
        vm.prank(p[0]);
        providers.heartbeat();
    }

    // --- unbond, withdrawBond

    function test_unbond_frees_the_seat_and_starts_the_wait() public {
        _bond(p[0]);
        vm.expectEmit(address(providers));
        emit IProviderRegistry.Unseated(p[0], 1);
        vm.expectEmit(address(providers));
        emit IProviderRegistry.Unbonding(p[0], block.timestamp + UNBONDING);
        vm.prank(p[0]);
        providers.unbond();
        vm.assertEq(providers.get(p[0]).unbonding, block.timestamp + UNBONDING);
        vm.assertEq(providers.get(p[0]).seat, 0);
        vm.assertEq(providers.seatAt(1), address(0));
        vm.assertEq(providers.providers().length, 0);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.AlreadyUnbonding.selector, p[0]));
        vm.prank(p[0]);
        providers.unbond();
    }

    function test_unbond_works_without_a_seat() public {
        _bond(p[0]);
        vm.warp(block.timestamp + ALIVE + 1);
        providers.evict(p[0]);
        vm.prank(p[0]);
        providers.unbond();
        vm.assertEq(providers.get(p[0]).unbonding, block.timestamp + UNBONDING);
    }

    function testFuzz_unbond_refuses_who_has_no_bond(address caller) public {
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotBonded.selector, caller));
        vm.prank(caller);
        providers.unbond();
    }

    function test_bond_again_ends_the_unbonding() public {
        _bond(p[0]);
        vm.startPrank(p[0]);
        providers.unbond();
        providers.bond(0, PRICE, UNITS);
        vm.stopPrank();
        vm.assertEq(providers.get(p[0]).unbonding, 0);
        vm.assertEq(providers.get(p[0]).seat, 1);
    }

    function testFuzz_withdrawBond_returns_everything_after_the_wait(uint32 early) public {
        _bond(p[0]);
        vm.prank(p[0]);
        providers.unbond();
        uint256 until = block.timestamp + UNBONDING;
        vm.warp(until - _bound(early, 1, UNBONDING));
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.UnbondingUntil.selector, until));
        vm.prank(p[0]);
        providers.withdrawBond();
        vm.warp(until);
        uint256 before = usd.balanceOf(p[0]);
        vm.expectEmit(address(providers));
        emit IProviderRegistry.BondWithdrawn(p[0], BOND);
        vm.prank(p[0]);
        vm.assertEq(providers.withdrawBond(), BOND);
        vm.assertEq(usd.balanceOf(p[0]) - before, BOND);
        vm.assertEq(providers.get(p[0]).bond, 0);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotUnbonding.selector, p[0]));
        vm.prank(p[0]);
        providers.withdrawBond();
    }

    function test_withdrawBond_waits_for_running_jobs() public {
        _bond(p[0]);
        _hold(p[0]);
        vm.startPrank(p[0]);
        providers.unbond();
        vm.warp(block.timestamp + UNBONDING);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.BondLocked.selector, FLOOR));
        providers.withdrawBond();
        vm.stopPrank();
        vm.prank(address(jobs));
        providers.unlock(p[0], 0);
        vm.prank(p[0]);
        vm.assertEq(providers.withdrawBond(), BOND);
    }

    // --- evict

    function testFuzz_evict_frees_dead_seats_only(uint32 passed) public {
        _bond(p[0]);
        uint256 gone = _bound(passed, 0, 30 days);
        vm.warp(block.timestamp + gone);
        if (gone <= ALIVE) {
            vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.StillAlive.selector, p[0]));
            providers.evict(p[0]);
        } else {
            vm.expectEmit(address(providers));
            emit IProviderRegistry.Unseated(p[0], 1);
            providers.evict(p[0]);
            vm.assertEq(providers.get(p[0]).seat, 0);
            vm.assertEq(providers.get(p[0]).bond, BOND);
            vm.prank(p[0]);
            providers.heartbeat();
            vm.assertEq(providers.get(p[0]).seat, 1);
        }
    }

    function test_evict_refuses_who_has_no_seat() public {
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotBonded.selector, stranger));
        providers.evict(stranger);
    }

    function test_a_freed_seat_is_taken_before_the_table_grows() public {
        _bondFirst(3);
        vm.prank(p[1]);
        providers.unbond();
        _bond(p[3]);
        vm.assertEq(providers.get(p[3]).seat, 2);
        vm.assertEq(providers.seatCount(), 3);
        _bond(p[4]);
        vm.assertEq(providers.get(p[4]).seat, 4);
        address[] memory seated = providers.providers();
        vm.assertEq(seated.length, 4);
        vm.assertEq(seated[1], p[3]);
    }

    // --- draw

    function test_draw_names_distinct_providers_and_holds_their_stakes() public {
        _bondFirst(4);
        (address[] memory drawn, uint256[] memory fees) = _drawFrom(keccak256("seed"), 3, 4, new address[](0));
        for (uint256 i = 0; i < 3; ++i) {
            vm.assertEq(fees[i], FEE);
            vm.assertEq(providers.get(drawn[i]).locked, FLOOR);
            for (uint256 j = 0; j < i; ++j) {
                vm.assertTrue(drawn[i] != drawn[j]);
            }
        }
    }

    function testFuzz_draw_is_a_choice_of_the_willing(bytes32 seed, uint8 unwilling) public {
        _bondFirst(5);
        uint256 deaf = unwilling % 5;
        vm.prank(p[deaf]);
        providers.setTerms(uint96(MAX_FEE), UNITS);
        address[] memory excluded = new address[](1);
        excluded[0] = p[(deaf + 1) % 5];
        (address[] memory drawn,) = _drawFrom(seed, 3, 5, excluded);
        for (uint256 i = 0; i < 3; ++i) {
            vm.assertTrue(drawn[i] != p[deaf] && drawn[i] != excluded[0] && drawn[i] != address(0));
        }
        vm.assertTrue(drawn[0] != drawn[1] && drawn[1] != drawn[2] && drawn[0] != drawn[2]);
    }

    function test_draw_gives_everyone_the_same_chance() public {
        _bondFirst(5);
        uint256[5] memory hits;
        for (uint256 k = 0; k < 1_000; ++k) {
            (address[] memory drawn,) = _drawFrom(keccak256(abi.encode(k)), 2, 5, new address[](0));
            for (uint256 i = 0; i < 2; ++i) {
                ++hits[uint160(drawn[i]) - 0x101];
                vm.prank(address(jobs));
                providers.unlock(drawn[i], FEE);
            }
        }
        // 400 expected each; 4.5 standard deviations of a binomial (1000, 2/5) are 70
        for (uint256 i = 0; i < 5; ++i) {
            vm.assertTrue(hits[i] > 330 && hits[i] < 470);
        }
    }

    function test_draw_passes_over_each_kind_of_unfit_provider() public {
        _bondFirst(5);
        vm.prank(p[0]);
        providers.unbond(); // an empty seat
        vm.prank(p[1]);
        providers.setTerms(PRICE, UNITS - 1); // too small
        vm.prank(p[2]);
        providers.bond(0, uint96(MAX_FEE / UNITS) + 1, UNITS); // too dear
        // p[3] has nothing left to hold
        for (uint256 k = 0; k < BOND / FLOOR; ++k) {
            _hold(p[3]);
        }
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotEnoughProviders.selector, 1, 2));
        _drawFrom(keccak256("seed"), 2, 5, new address[](0));
        (address[] memory drawn,) = _drawFrom(keccak256("seed"), 1, 5, new address[](0));
        vm.assertEq(drawn[0], p[4]);
    }

    function test_draw_passes_over_the_dead() public {
        _bondFirst(2);
        vm.warp(block.timestamp + ALIVE + 1);
        vm.prank(p[1]);
        providers.heartbeat();
        (address[] memory drawn,) = _drawFrom(keccak256("seed"), 1, 2, new address[](0));
        vm.assertEq(drawn[0], p[1]);
    }

    function test_draw_ignores_who_sat_down_after_the_seed_was_fixed() public {
        _bondFirst(2);
        _mine(1);
        vm.prank(p[0]);
        providers.unbond();
        _bond(p[2]); // takes the first seat, in the seed block
        (address[] memory drawn,) = _drawBefore(keccak256("seed"), 1, 2, block.number);
        vm.assertEq(drawn[0], p[1]);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotEnoughProviders.selector, 1, 2));
        _drawBefore(keccak256("seed"), 2, 2, block.number);
    }

    function testFuzz_draw_is_not_moved_by_others_who_come_or_go(bytes32 seed, uint8 who) public {
        _bondFirst(4);
        _mine(1);
        (address[] memory drawn,) = _drawBefore(seed, 1, 4, block.number);
        vm.prank(address(jobs));
        providers.unlock(drawn[0], FEE);
        address leaver = p[who % 4];
        vm.assume(leaver != drawn[0]);
        vm.prank(leaver);
        providers.unbond();
        _bond(p[4]);
        (address[] memory again,) = _drawBefore(seed, 1, 4, block.number);
        vm.assertEq(again[0], drawn[0]);
    }

    function test_draw_stops_after_its_probes() public {
        for (uint256 i = 0; i < 40; ++i) {
            address provider = address(uint160(0x9000 + i));
            _fund(provider);
            _bond(provider);
            vm.prank(provider);
            providers.setTerms(PRICE, 1);
        }
        uint256 gas = gasleft();
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotEnoughProviders.selector, 0, 1));
        _drawFrom(keccak256("seed"), 1, 40, new address[](0));
        vm.assertLe(gas - gasleft(), 1_000_000, "gas of a fruitless draw");
    }

    function test_draw_of_an_empty_table_finds_nobody() public {
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotEnoughProviders.selector, 0, 1));
        _drawFrom(keccak256("seed"), 1, 0, new address[](0));
    }

    // --- unlock, slash

    function test_slash_takes_the_stake_to_the_job_market() public {
        _bond(p[0]);
        _hold(p[0]);
        vm.expectEmit(address(providers));
        emit IProviderRegistry.Slashed(p[0], FLOOR, BOND - FLOOR);
        vm.prank(address(jobs));
        vm.assertEq(providers.slash(p[0], 0, false), FLOOR);
        vm.assertEq(usd.balanceOf(address(jobs)), FLOOR);
        vm.assertEq(providers.get(p[0]).bond, BOND - FLOOR);
        vm.assertEq(providers.get(p[0]).locked, 0);
        vm.assertEq(providers.get(p[0]).heartbeat, block.timestamp);
    }

    function test_slash_for_silence_suspends_until_the_next_heartbeat() public {
        _bond(p[0]);
        _hold(p[0]);
        vm.prank(address(jobs));
        providers.slash(p[0], 0, true);
        vm.assertEq(providers.get(p[0]).heartbeat, 0);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotEnoughProviders.selector, 0, 1));
        _drawFrom(keccak256("seed"), 1, 1, new address[](0));
        vm.prank(p[0]);
        providers.heartbeat();
        _drawFrom(keccak256("seed"), 1, 1, new address[](0));
    }

    function test_slash_below_the_floor_costs_the_seat() public {
        vm.prank(p[0]);
        providers.bond(FLOOR + 1, PRICE, UNITS);
        _hold(p[0]);
        vm.expectEmit(address(providers));
        emit IProviderRegistry.Unseated(p[0], 1);
        vm.prank(address(jobs));
        providers.slash(p[0], 0, false);
        vm.assertEq(providers.get(p[0]).seat, 0);
        vm.assertEq(providers.get(p[0]).bond, 1);
    }

    function test_slash_reaches_who_has_left_the_table() public {
        vm.startPrank(p[0]);
        providers.bond(FLOOR + 1, PRICE, UNITS);
        vm.stopPrank();
        _hold(p[0]);
        vm.prank(p[0]);
        providers.unbond();
        vm.prank(address(jobs));
        providers.slash(p[0], 0, true);
        vm.warp(block.timestamp + UNBONDING);
        vm.prank(p[0]);
        vm.assertEq(providers.withdrawBond(), 1);
    }

    function testFuzz_stakeFor_is_ten_fees_and_at_least_the_floor(uint96 fee) public view {
        uint256 stake = providers.stakeFor(fee);
        vm.assertEq(stake, uint256(fee) * 10 > FLOOR ? uint256(fee) * 10 : FLOOR);
    }

    function testFuzz_what_was_held_is_let_go_or_lost_in_full(uint96 price, bool lie) public {
        uint96 each = uint96(_bound(price, 0, MAX_FEE / UNITS));
        vm.prank(p[0]);
        providers.bond(BOND, each, UNITS);
        uint256 fee = uint256(each) * UNITS;
        (, uint256[] memory fees) = _drawFrom(keccak256("seed"), 1, 1, new address[](0));
        vm.assertEq(fees[0], fee);
        uint256 stake = providers.stakeFor(fee);
        vm.assertEq(providers.get(p[0]).locked, stake);
        vm.startPrank(address(jobs));
        if (lie) providers.slash(p[0], fee, false);
        else providers.unlock(p[0], fee);
        vm.stopPrank();
        vm.assertEq(providers.get(p[0]).locked, 0);
        vm.assertEq(providers.get(p[0]).bond, lie ? BOND - stake : BOND);
    }

    function testFuzz_draw_unlock_and_slash_only_by_the_job_market(address caller) public {
        vm.assume(caller != address(jobs));
        _bond(p[0]);
        _hold(p[0]);
        bytes memory reason = abi.encodeWithSelector(IProviderRegistry.OnlyJobMarket.selector, caller);
        vm.startPrank(caller);
        vm.expectRevert(reason);
        providers.slash(p[0], 0, true);
        vm.expectRevert(reason);
        providers.unlock(p[0], 0);
        vm.expectRevert(reason);
        providers.draw(
            IProviderRegistry.Call(keccak256("seed"), 1, 1, block.number + 1, UNITS, MAX_FEE, new address[](0))
        );
        vm.stopPrank();
    }

    /// @dev Holds one smallest stake, as a draw with this provider alone would.
    function _hold(address provider) private {
        address[] memory others = new address[](p.length);
        for (uint256 i = 0; i < p.length; ++i) {
            if (p[i] != provider) others[i] = p[i];
        }
        _drawFrom(keccak256("hold"), 1, providers.seatCount(), others);
    }

    function _drawFrom(
        bytes32 seed,
        uint256 needed,
        uint256 seats,
        address[] memory excluded
    )
        private
        returns (address[] memory, uint256[] memory)
    {
        vm.prank(address(jobs));
        return providers.draw(IProviderRegistry.Call(seed, needed, seats, block.number + 1, UNITS, MAX_FEE, excluded));
    }

    function _drawBefore(
        bytes32 seed,
        uint256 needed,
        uint256 seats,
        uint256 before
    )
        private
        returns (address[] memory, uint256[] memory)
    {
        vm.prank(address(jobs));
        return providers.draw(IProviderRegistry.Call(seed, needed, seats, before, UNITS, MAX_FEE, new address[](0)));
    }
}
