// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IJobMarket} from "../src/interfaces/IJobMarket.sol";
import {IProviderRegistry} from "../src/interfaces/IProviderRegistry.sol";
import {World} from "./World.sol";

/// @title The draw, and what happens to the stakes it holds
contract ProviderDrawTest is World {
    function setUp() public {
        _deploy();
    }

    // --- draw

    function test_draw_names_distinct_providers_and_holds_their_stakes() public {
        _bondFirst(4);
        (address[] memory drawn, uint256[] memory fees) = _drawFrom(keccak256("seed"), 3, 4, new address[](0));
        for (uint256 i = 0; i < 3; ++i) {
            vm.assertEq(providers.get(drawn[i]).inUse, UNITS);
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
        providers.setTerms(uint48(MAX_FEE) + 1, 0, UNITS);
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
                _unlock(drawn[i], FEE);
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
        providers.setTerms(FIXED, PRICE, UNITS - 1); // too small
        vm.prank(p[2]);
        providers.bond(0, uint48(MAX_FEE) - uint48(FEE - FIXED) + 1, PRICE, UNITS); // too dear
        // p[3] has nothing left to hold
        vm.prank(p[3]);
        providers.setTerms(FIXED, PRICE, type(uint64).max);
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
        _unlock(drawn[0], FEE);
        address leaver = p[who % 4];
        vm.assume(leaver != drawn[0]);
        vm.prank(leaver);
        providers.unbond();
        _bond(p[4]);
        (address[] memory again,) = _drawBefore(seed, 1, 4, block.number);
        vm.assertEq(again[0], drawn[0]);
    }

    function test_draw_stops_after_its_probes_with_what_it_found() public {
        for (uint256 i = 0; i < 40; ++i) {
            address provider = address(uint160(0x9000 + i));
            _fund(provider);
            _bond(provider);
            vm.prank(provider);
            providers.setTerms(FIXED, PRICE, 1);
        }
        uint256 gas = gasleft();
        (address[] memory drawn, uint256[] memory fees) = _drawFrom(keccak256("seed"), 1, 40, new address[](0));
        vm.assertLe(gas - gasleft(), 1_000_000, "gas of a fruitless draw");
        vm.assertEq(drawn.length, 0);
        vm.assertEq(fees.length, 0);
    }

    function test_draw_of_an_empty_table_finds_nobody() public {
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotEnoughProviders.selector, 0, 1));
        _drawFrom(keccak256("seed"), 1, 0, new address[](0));
    }

    // --- unlock, slash

    function test_slash_pays_the_harm_and_burns_the_rest() public {
        _bond(p[0]);
        _hold(p[0]);
        vm.expectEmit(address(providers));
        emit IProviderRegistry.Slashed(p[0], FLOOR, FLOOR - 7, BOND - FLOOR);
        vm.prank(address(jobs));
        (uint256 amount, uint256 paid) = providers.slash(p[0], 0, UNITS, false, 7);
        vm.assertEq(amount, FLOOR);
        vm.assertEq(paid, 7);
        vm.assertEq(usd.balanceOf(address(jobs)), 7);
        vm.assertEq(providers.burned(), FLOOR - 7);
        vm.assertEq(usd.balanceOf(address(providers)), BOND - 7);
        vm.assertEq(providers.get(p[0]).bond, BOND - FLOOR);
        vm.assertEq(providers.get(p[0]).locked, 0);
        vm.assertEq(providers.get(p[0]).heartbeat, block.timestamp);
    }

    function test_slash_for_silence_suspends_until_the_next_heartbeat() public {
        _bond(p[0]);
        _hold(p[0]);
        vm.prank(address(jobs));
        providers.slash(p[0], 0, UNITS, true, 0);
        vm.assertEq(providers.get(p[0]).heartbeat, 0);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotEnoughProviders.selector, 0, 1));
        _drawFrom(keccak256("seed"), 1, 1, new address[](0));
        vm.prank(p[0]);
        providers.heartbeat();
        _drawFrom(keccak256("seed"), 1, 1, new address[](0));
    }

    function test_slash_below_the_floor_costs_the_seat() public {
        vm.prank(p[0]);
        providers.bond(FLOOR + 1, FIXED, PRICE, UNITS);
        _hold(p[0]);
        vm.expectEmit(address(providers));
        emit IProviderRegistry.Unseated(p[0], 1);
        vm.prank(address(jobs));
        providers.slash(p[0], 0, UNITS, false, 0);
        vm.assertEq(providers.get(p[0]).seat, 0);
        vm.assertEq(providers.get(p[0]).bond, 1);
    }

    function test_slash_reaches_who_has_left_the_table() public {
        vm.startPrank(p[0]);
        providers.bond(FLOOR + 1, FIXED, PRICE, UNITS);
        vm.stopPrank();
        _hold(p[0]);
        vm.prank(p[0]);
        providers.unbond();
        vm.prank(address(jobs));
        providers.slash(p[0], 0, UNITS, true, 0);
        vm.warp(block.timestamp + UNBONDING);
        vm.prank(p[0]);
        vm.assertEq(providers.withdrawBond(), 1);
    }

    function testFuzz_a_fee_is_the_fixed_part_and_the_work_rounded_up(uint48 fixedFee, uint48 price, uint64 units)
        public
    {
        units = uint64(_bound(units, 1, type(uint64).max));
        uint256 work = uint256(price) * units;
        uint256 fee = fixedFee + work / 1_000_000 + (work % 1_000_000 == 0 ? 0 : 1);
        vm.prank(p[0]);
        providers.bond(BOND, fixedFee, price, units);
        bool affordable = providers.stakeFor(fee) <= BOND;
        IProviderRegistry.Call memory call = IProviderRegistry.Call({
            seed: keccak256("seed"),
            needed: 1,
            seats: 1,
            before: block.number + 1,
            units: units,
            feeCap: fee,
            excluded: new address[](0)
        });
        if (fee > 0) {
            call.feeCap = fee - 1;
            vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotEnoughProviders.selector, 0, 1));
            vm.prank(address(jobs));
            providers.draw(call);
            call.feeCap = fee;
        }
        if (!affordable) vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotEnoughProviders.selector, 0, 1));
        vm.prank(address(jobs));
        (, uint256[] memory fees,) = providers.draw(call);
        if (affordable) vm.assertEq(fees[0], fee);
    }

    function test_the_smallest_job_earns_the_fixed_part() public {
        vm.prank(p[0]);
        providers.bond(BOND, FIXED, 1, UNITS);
        uint256 license = _license();
        _bond(p[1]);
        IJobMarket.Order memory o = _order(license, 2);
        o.units = 1;
        vm.prank(buyer);
        uint256 job = jobs.open(o);
        _draw(job);
        for (uint256 i = 0; i < 2; ++i) {
            uint256 work = _executor(job, i) == p[0] ? 1 : 6; // a millionth, and six units, of which none is lost
            vm.assertEq(jobs.executionsOf(job)[i].fee, FIXED + work);
        }
    }

    function testFuzz_stakeFor_is_ten_fees_and_at_least_the_floor(uint96 fee) public view {
        uint256 stake = providers.stakeFor(fee);
        vm.assertEq(stake, uint256(fee) * 10 > FLOOR ? uint256(fee) * 10 : FLOOR);
    }

    function testFuzz_what_was_held_is_let_go_or_lost_in_full(uint96 price, bool lie) public {
        uint256 fee = _bound(price, 0, MAX_FEE);
        (uint48 fixedFee, uint48 each) = _termsFor(fee, price);
        vm.prank(p[0]);
        providers.bond(BOND, fixedFee, each, UNITS);
        (, uint256[] memory fees) = _drawFrom(keccak256("seed"), 1, 1, new address[](0));
        vm.assertEq(fees[0], fee);
        uint256 stake = providers.stakeFor(fee);
        vm.assertEq(providers.get(p[0]).locked, stake);
        vm.startPrank(address(jobs));
        if (lie) providers.slash(p[0], fee, UNITS, false, stake / 3);
        vm.stopPrank();
        if (!lie) _unlock(p[0], fee);
        vm.assertEq(providers.get(p[0]).inUse, 0);
        vm.assertEq(providers.burned(), lie ? stake - stake / 3 : 0);
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
        providers.slash(p[0], 0, UNITS, true, 0);
        vm.expectRevert(reason);
        providers.unlock(new address[](0), new uint256[](0), UNITS);
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

    function _drawFrom(bytes32 seed, uint256 needed, uint256 seats, address[] memory excluded)
        private
        returns (address[] memory drawn, uint256[] memory fees)
    {
        uint256 before = block.number + 1;
        vm.roll(before);
        vm.prank(address(jobs));
        (drawn, fees,) = providers.draw(IProviderRegistry.Call(seed, needed, seats, before, UNITS, MAX_FEE, excluded));
    }

    function _drawBefore(bytes32 seed, uint256 needed, uint256 seats, uint256 before)
        private
        returns (address[] memory drawn, uint256[] memory fees)
    {
        vm.prank(address(jobs));
        (drawn, fees,) =
            providers.draw(IProviderRegistry.Call(seed, needed, seats, before, UNITS, MAX_FEE, new address[](0)));
    }
}
