// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IJobMarket} from "../src/interfaces/IJobMarket.sol";
import {IProviderRegistry} from "../src/interfaces/IProviderRegistry.sol";
import {World} from "./World.sol";

/// @title The table of seats: what a draw sees of it, and how it stays dense
contract SeatsTest is World {
    function setUp() public {
        _deploy();
    }

    function _person(uint256 i) private pure returns (address) {
        return address(uint160(0x9000 + i));
    }

    function _crowd(uint256 from, uint256 to) private {
        for (uint256 i = from; i < to; ++i) {
            usd.faucet(_person(i), BOND);
            vm.startPrank(_person(i));
            usd.approve(address(providers), BOND);
            providers.bond(BOND, FIXED, PRICE, CAPACITY);
            vm.stopPrank();
        }
    }

    /// @dev What a draw with this seed, of the table as it was when block `before` began, finds; undone.
    function look(bytes32 seed, uint256 needed, uint256 seats, uint256 before) external returns (address[] memory) {
        vm.prank(address(jobs));
        (address[] memory drawn,,) =
            providers.draw(IProviderRegistry.Call(seed, needed, seats, before, UNITS, MAX_FEE, new address[](0)));
        bytes memory data = abi.encode(drawn);
        assembly {
            revert(add(data, 32), mload(data))
        }
    }

    function _look(bytes32 seed, uint256 needed, uint256 seats, uint256 before) private returns (address[] memory) {
        try this.look(seed, needed, seats, before) {}
        catch (bytes memory data) {
            return abi.decode(data, (address[]));
        }
        return new address[](0);
    }

    // --- closing gaps

    function test_a_gap_is_closed_by_the_provider_in_the_last_seat() public {
        _bondFirst(4);
        vm.expectEmit(address(providers));
        emit IProviderRegistry.Unseated(p[1], 2);
        vm.expectEmit(address(providers));
        emit IProviderRegistry.SeatMoved(p[3], 4, 2);
        vm.prank(p[1]);
        providers.unbond();
        vm.assertEq(providers.seatCount(), 3);
        vm.assertEq(providers.get(p[3]).seat, 2);
        vm.assertEq(providers.seatAt(2), p[3]);
        vm.assertEq(providers.seatAt(4), address(0));
        _bond(p[4]);
        vm.assertEq(providers.get(p[4]).seat, 4);
        vm.assertEq(providers.providers().length, 4);
    }

    function test_a_place_that_a_pending_draw_may_need_stays_until_no_draw_can() public {
        _bondFirst(3);
        vm.prank(p[0]);
        providers.unbond(); // p[2] moves from seat 3 to seat 1
        _bond(p[3]); // takes seat 3
        vm.prank(p[1]);
        providers.unbond(); // p[3] may not move: its place is p[2]'s for draws that are pending
        vm.assertEq(providers.seatCount(), 3);
        vm.assertEq(providers.seatAt(2), address(0));
        uint256 height = block.number;
        vm.roll(height + 256);
        providers.compact(5);
        vm.assertEq(providers.seatCount(), 3);
        vm.roll(height + 257);
        providers.compact(5);
        vm.assertEq(providers.seatCount(), 2);
        vm.assertEq(providers.seatAt(2), p[3]);
    }

    function test_a_newcomer_takes_a_gap_before_the_table_grows() public {
        _bondFirst(3);
        vm.prank(p[0]);
        providers.unbond();
        _bond(p[3]);
        vm.prank(p[1]);
        providers.unbond(); // leaves a gap, as above
        _bond(p[4]);
        vm.assertEq(providers.get(p[4]).seat, 2);
        vm.assertEq(providers.seatCount(), 3);
    }

    /// forge-config: default.fuzz.runs = 64
    /// forge-config: deep.fuzz.runs = 2000
    function testFuzz_however_people_come_and_go_every_seat_is_known_and_no_gap_lasts(uint256 dice) public {
        _crowd(0, 10);
        for (uint256 step = 0; step < 60; ++step) {
            dice = uint256(keccak256(abi.encode(dice)));
            address who = _person(dice % 10);
            vm.roll(1_001 + step * (dice >> 64) % 40);
            vm.startPrank(who);
            if (providers.get(who).seat != 0) providers.unbond();
            else providers.bond(0, FIXED, PRICE, UNITS);
            vm.stopPrank();
            if (dice >> 32 & 7 == 0) providers.compact(3);
        }
        uint256 seated = 0;
        for (uint256 i = 0; i < 10; ++i) {
            uint256 seat = providers.get(_person(i)).seat;
            if (seat == 0) continue;
            ++seated;
            vm.assertLe(seat, providers.seatCount());
            vm.assertEq(providers.seatAt(seat), _person(i));
        }
        vm.assertEq(providers.providers().length, seated);
        vm.roll(100_000);
        providers.compact(200);
        vm.assertEq(providers.seatCount(), seated);
    }

    // --- nobody moves a draw

    /// forge-config: default.fuzz.runs = 64
    /// forge-config: deep.fuzz.runs = 2000
    function testFuzz_once_the_seed_is_known_only_leaving_changes_a_draw_and_only_behind_the_leaver(uint256 dice)
        public
    {
        _crowd(0, 12);
        uint256 before = 1_010;
        vm.roll(before + 1);
        bytes32 seed = keccak256(abi.encode(dice));
        address[] memory order = _look(seed, 12, 12, before);
        bool[12] memory gone;
        for (uint256 step = 0; step < 30; ++step) {
            dice = uint256(keccak256(abi.encode(dice)));
            vm.roll(before + 1 + step * 8);
            _comeOrGo(dice, gone);
        }
        // Whoever never left comes in the same order; nobody else does.
        uint256 left = 0;
        for (uint256 i = 0; i < 12; ++i) {
            if (!gone[i]) ++left;
        }
        vm.assume(left > 0);
        address[] memory now_ = _look(seed, left, 12, before);
        uint256 next = 0;
        for (uint256 i = 0; i < 12; ++i) {
            if (gone[uint160(order[i]) - 0x9000]) continue;
            vm.assertEq(now_[next++], order[i]);
        }
    }

    /// @dev Newcomers sit down and leave; some of the twelve leave for good; gaps are closed at times.
    function _comeOrGo(uint256 dice, bool[12] memory gone) private {
        uint256 i = dice % 20;
        address who = _person(i);
        if (i >= 12 && providers.get(who).seat == 0) {
            _fund(who);
            _bond(who);
        } else if (i >= 12 || dice >> 32 & 1 == 0) {
            if (providers.get(who).seat == 0) return;
            if (i < 12) gone[i] = true;
            vm.prank(who);
            providers.unbond();
        }
        if (dice >> 64 & 3 == 0) providers.compact(2);
    }

    /// forge-config: default.fuzz.runs = 64
    /// forge-config: deep.fuzz.runs = 2000
    function testFuzz_an_eviction_inside_a_draw_moves_no_other_draw(uint256 dice) public {
        _crowd(0, 12);
        uint256 before = 1_010;
        vm.roll(before + 1);
        bytes32 seed = keccak256(abi.encode(dice));
        // Half of them die.
        vm.warp(block.timestamp + ALIVE + 1);
        for (uint256 i = 0; i < 12; ++i) {
            if (i % 2 == 0) continue;
            vm.prank(_person(i));
            providers.heartbeat();
        }
        address[] memory order = _look(seed, 6, 12, before);
        vm.prank(address(jobs));
        providers.draw(
            IProviderRegistry.Call(keccak256(abi.encode(seed)), 6, 12, before, UNITS, MAX_FEE, new address[](0))
        );
        address[] memory again = _look(seed, 6, 12, before);
        for (uint256 i = 0; i < 6; ++i) {
            vm.assertEq(again[i], order[i]);
        }
    }

    // --- dead seats

    function test_a_draw_evicts_the_dead_it_meets_and_its_caller_is_paid() public {
        uint256 license = _license();
        _crowd(0, 8);
        vm.warp(block.timestamp + ALIVE + 1);
        _bondFirst(2);
        uint256 job = _open(license, 2);
        _mine(2);
        vm.prank(stranger);
        jobs.draw(job);
        uint256 dead = 10 - providers.seatCount();
        vm.assertEq(jobs.claimable(stranger), dead * BOUNTY);
        vm.assertEq(providers.providers().length, 10 - dead);
        vm.assertGt(dead, 0, "seeds that meet none of eight dead are rare, and this one is fixed");
    }

    function test_a_thousand_dead_seats_stop_no_job_and_are_gone_in_the_end() public {
        uint256 license = _license();
        _crowd(0, 1_000);
        vm.warp(block.timestamp + ALIVE + 1);
        _bondFirst(5);
        uint256 calls = 0;
        for (uint256 k = 0; k < 8; ++k) {
            uint256 job = _open(license, 2);
            vm.roll(jobs.get(job).seedBlock + 1);
            while (_state(job) == 1) {
                jobs.draw(job);
                ++calls;
                vm.assertLe(calls, 200, "draws go on");
            }
            _agree(job, 0, RECEIPT);
            _release(job);
            vm.roll(block.number + 300);
        }
        vm.assertLe(providers.seatCount(), 5 + 1_000 - 20 * 32, "the table shrank by what the draws met");
        vm.assertEq(providers.providers().length, providers.seatCount());
    }

    // --- draws that take several calls

    function _unwilling(uint256 count) private {
        _crowd(0, count);
        for (uint256 i = 0; i < count; ++i) {
            vm.prank(_person(i));
            providers.setTerms(FIXED, PRICE, 1);
        }
    }

    function test_a_draw_goes_on_where_it_was_and_assigns_once() public {
        uint256 license = _license();
        _unwilling(200);
        _bondFirst(4);
        uint256 job = _open(license, 3);
        vm.roll(jobs.get(job).seedBlock + 1);
        uint256 found = 0;
        while (_state(job) == 1) {
            jobs.draw(job);
            uint256 drawn = jobs.get(job).drawn;
            vm.assertTrue(drawn >= found, "what was found is kept");
            found = drawn;
        }
        vm.assertEq(_state(job), 2);
        vm.assertEq(found, 3);
        (address a, address b, address c) = (_executor(job, 0), _executor(job, 1), _executor(job, 2));
        vm.assertTrue(a != b && b != c && a != c);
        _agree(job, 0, RECEIPT);
        _release(job);
        vm.assertEq(_state(job), 6);
    }

    function test_a_draw_that_never_ends_lets_everybody_go() public {
        uint256 license = _license();
        _unwilling(60);
        _bond(p[0]);
        uint256 job = _open(license, 2);
        vm.roll(jobs.get(job).seedBlock + 1);
        for (uint256 k = 0; k < 30; ++k) {
            jobs.draw(job);
        }
        vm.assertEq(jobs.get(job).drawn, 1);
        vm.assertEq(providers.get(p[0]).locked, FLOOR);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.WrongState.selector, job, IJobMarket.State.OPEN));
        vm.prank(p[0]);
        jobs.commit(job, LIE);
        _passDeadline(job);
        jobs.expire(job);
        vm.assertEq(_state(job), 8);
        vm.assertEq(providers.get(p[0]).locked, 0);
        vm.assertEq(providers.get(p[0]).inUse, 0);
        vm.assertEq(jobs.claimable(buyer), JOB_PRICE + MAX_FEE);
    }

    function test_a_draw_that_went_on_too_long_keeps_what_it_found_under_a_new_seed() public {
        uint256 license = _license();
        _unwilling(60);
        _bond(p[0]);
        uint256 job = _open(license, 2);
        uint256 first = jobs.get(job).seedBlock;
        vm.roll(first + 1);
        for (uint256 k = 0; k < 30; ++k) {
            jobs.draw(job);
        }
        _bond(p[1]);
        vm.roll(first + 300);
        jobs.draw(job);
        vm.assertEq(jobs.get(job).seedBlock, first + 301);
        vm.roll(first + 302);
        while (_state(job) == 1) jobs.draw(job);
        vm.assertEq(jobs.get(job).drawn, 2);
        vm.assertEq(_executor(job, 0), p[0]);
        vm.assertEq(_executor(job, 1), p[1]);
    }

    function test_a_draw_ends_when_its_calls_are_numbered_out() public {
        uint256 license = _license();
        _unwilling(33);
        uint256 job = _open(license, 1);
        vm.roll(jobs.get(job).seedBlock + 1);
        for (uint256 k = 0; k < 255; ++k) {
            jobs.draw(job);
        }
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotEnoughProviders.selector, 0, 1));
        jobs.draw(job);
    }

    // --- capacity

    function test_no_more_units_are_drawn_than_a_provider_takes_at_a_time() public {
        uint256 license = _license();
        vm.prank(p[0]);
        providers.bond(BOND, FIXED, PRICE, 2 * UNITS);
        uint256 first = _open(license, 1);
        _draw(first);
        uint256 second = _open(license, 1);
        _draw(second);
        vm.assertEq(providers.get(p[0]).inUse, 2 * UNITS);
        uint256 third = _open(license, 1);
        _mine(2);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotEnoughProviders.selector, 0, 1));
        jobs.draw(third);
        vm.prank(p[0]);
        jobs.decline(first);
        vm.assertEq(providers.get(p[0]).inUse, UNITS);
        jobs.draw(third);
        vm.assertEq(_state(third), 2);
    }
}
