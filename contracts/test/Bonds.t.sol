// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProviderRegistry} from "../src/interfaces/IProviderRegistry.sol";
import {Permits} from "../src/Permits.sol";
import {World} from "./World.sol";

/// @title Bonds, seats, and signs of life
contract BondsTest is World {
    function setUp() public {
        _deploy();
    }

    // --- bond

    function test_bond_takes_the_money_and_a_seat() public {
        uint256 before = usd.balanceOf(p[0]);
        vm.expectEmit(address(providers));
        emit IProviderRegistry.TermsSet(p[0], FIXED, PRICE, CAPACITY);
        vm.expectEmit(address(providers));
        emit IProviderRegistry.Seated(p[0], 1);
        vm.expectEmit(address(providers));
        emit IProviderRegistry.Bonded(p[0], BOND, BOND);
        _bond(p[0]);
        IProviderRegistry.Provider memory r = providers.get(p[0]);
        vm.assertEq(r.bond, BOND);
        vm.assertEq(r.locked, 0);
        vm.assertEq(r.price, PRICE);
        vm.assertEq(r.capacity, CAPACITY);
        vm.assertEq(r.inUse, 0);
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
        providers.bond(a, FIXED, PRICE, UNITS);
        vm.expectEmit(address(providers));
        emit IProviderRegistry.Bonded(p[0], b, a + b);
        providers.bond(b, FIXED, PRICE + 1, UNITS);
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
        providers.bond(amount, FIXED, PRICE, UNITS);
    }

    function test_bond_refuses_what_the_record_cannot_hold_and_no_capacity() public {
        vm.startPrank(p[0]);
        vm.expectRevert(IProviderRegistry.BadProviderTerms.selector);
        providers.bond(uint256(type(uint96).max) + 1, FIXED, PRICE, UNITS);
        vm.expectRevert(IProviderRegistry.BadProviderTerms.selector);
        providers.bond(BOND, FIXED, PRICE, 0);
        vm.stopPrank();
    }

    function test_bond_refuses_an_empty_purse() public {
        vm.expectRevert();
        vm.prank(stranger);
        providers.bond(BOND, FIXED, PRICE, UNITS);
    }

    function test_bondWithPermit_needs_no_approval() public {
        vm.prank(buyer);
        usd.approve(address(providers), 0);
        (uint8 v, bytes32 r, bytes32 s) = _signPermit(address(providers), BOND, block.timestamp);
        vm.expectEmit(address(providers));
        emit IProviderRegistry.Bonded(buyer, BOND, BOND);
        vm.prank(buyer);
        providers.bondWithPermit(BOND, FIXED, PRICE, UNITS, block.timestamp, v, r, s);
        vm.assertEq(providers.get(buyer).bond, BOND);
    }

    function testFuzz_bondWithPermit_refuses_a_bad_permit_without_allowance(bytes32 r) public {
        vm.prank(buyer);
        usd.approve(address(providers), BOND - 1);
        vm.expectRevert(abi.encodeWithSelector(Permits.NoAllowance.selector, BOND - 1, BOND));
        vm.prank(buyer);
        providers.bondWithPermit(BOND, FIXED, PRICE, UNITS, block.timestamp, 28, r, bytes32(uint256(1)));
    }

    // --- setTerms, heartbeat

    function testFuzz_setTerms_changes_later_draws(uint48 fixedFee, uint48 price, uint64 capacity) public {
        vm.assume(capacity != 0);
        _bond(p[0]);
        vm.expectEmit(address(providers));
        emit IProviderRegistry.TermsSet(p[0], fixedFee, price, capacity);
        vm.prank(p[0]);
        providers.setTerms(fixedFee, price, capacity);
        vm.assertEq(providers.get(p[0]).fixedFee, fixedFee);
        vm.assertEq(providers.get(p[0]).price, price);
        vm.assertEq(providers.get(p[0]).capacity, capacity);
    }

    function test_setTerms_refuses_no_capacity_and_the_unbonded() public {
        _bond(p[0]);
        vm.expectRevert(IProviderRegistry.BadProviderTerms.selector);
        vm.prank(p[0]);
        providers.setTerms(FIXED, PRICE, 0);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotBonded.selector, stranger));
        vm.prank(stranger);
        providers.setTerms(FIXED, PRICE, UNITS);
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
        providers.setTerms(FIXED, PRICE, UNITS);
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
        providers.bond(FLOOR + 1, FIXED, PRICE, UNITS);
        _hold(p[0]);
        vm.prank(address(jobs));
        providers.slash(p[0], 0, UNITS, true, 0);
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
        vm.assertEq(providers.seatCount(), 0);
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
        providers.bond(0, FIXED, PRICE, UNITS);
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
        _unlock(p[0], 0);
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
            emit IProviderRegistry.Evicted(p[0], BOUNTY);
            vm.expectEmit(address(providers));
            emit IProviderRegistry.Unseated(p[0], 1);
            vm.prank(stranger);
            vm.assertEq(providers.evict(p[0]), BOUNTY);
            vm.assertEq(usd.balanceOf(stranger), BOUNTY);
            vm.assertEq(providers.get(p[0]).seat, 0);
            vm.assertEq(providers.get(p[0]).bond, BOND - BOUNTY);
            vm.prank(p[0]);
            providers.heartbeat();
            vm.assertEq(providers.get(p[0]).seat, 1);
        }
    }

    function test_evict_refuses_who_has_no_seat() public {
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotBonded.selector, stranger));
        providers.evict(stranger);
    }

    function test_evict_takes_nothing_that_a_job_holds() public {
        vm.prank(p[0]);
        providers.bond(FLOOR + 1, FIXED, PRICE, UNITS);
        _hold(p[0]);
        vm.warp(block.timestamp + ALIVE + 1);
        vm.assertEq(providers.evict(p[0]), 1);
        vm.assertEq(providers.get(p[0]).bond, FLOOR);
        vm.assertEq(providers.get(p[0]).locked, FLOOR);
    }

    function test_a_dead_seat_below_the_floor_is_topped_up_before_it_serves_again() public {
        vm.startPrank(p[0]);
        providers.bond(FLOOR, FIXED, PRICE, UNITS);
        vm.warp(block.timestamp + ALIVE + 1);
        providers.evict(p[0]);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotBonded.selector, p[0]));
        providers.heartbeat();
        providers.bond(BOUNTY, FIXED, PRICE, UNITS);
        vm.stopPrank();
        vm.assertEq(providers.get(p[0]).seat, 1);
    }

    /// @dev Holds one smallest stake, as a draw with this provider alone would.
    function _hold(address provider) private {
        address[] memory others = new address[](p.length);
        for (uint256 i = 0; i < p.length; ++i) {
            if (p[i] != provider) others[i] = p[i];
        }
        _drawFrom(keccak256("hold"), 1, providers.seatCount(), others);
    }

    function _drawFrom(bytes32 seed, uint256 needed, uint256 seats, address[] memory excluded)
        private
        returns (address[] memory drawn, uint256[] memory fees)
    {
        uint256 before = block.number + 1;
        vm.roll(before);
        vm.prank(address(jobs));
        (drawn, fees,) = providers.draw(IProviderRegistry.Call(seed, needed, seats, before, UNITS, MAX_FEE, excluded));
    }
}
