// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IJobMarket} from "../src/interfaces/IJobMarket.sol";
import {ILicenseMarket} from "../src/interfaces/ILicenseMarket.sol";
import {IProviderRegistry} from "../src/interfaces/IProviderRegistry.sol";
import {Permits} from "../src/Permits.sol";
import {World} from "./World.sol";

/// @title Opening a job and drawing its executors
contract JobOpeningTest is World {
    function setUp() public {
        _deploy();
    }

    // --- open

    function test_open_escrows_and_tells_everything() public {
        uint256 license = _license();
        _bondFirst(2);
        uint256 before = usd.balanceOf(buyer);
        vm.expectEmit(address(jobs));
        emit IJobMarket.JobOpened(1, 1, buyer, license, 1, CIRCUIT, 0, ROWS, KEY, UNITS, 2, JOB_PRICE, MAX_FEE);
        uint256 job = _open(license, 2);
        vm.assertEq(job, 1);
        vm.assertEq(jobs.jobCount(), 1);
        vm.assertEq(before - usd.balanceOf(buyer), JOB_PRICE + MAX_FEE);
        vm.assertEq(usd.balanceOf(address(jobs)), JOB_PRICE + MAX_FEE + CUSTODY);
        IJobMarket.Job memory j = jobs.get(job);
        vm.assertEq(j.license, license);
        vm.assertEq(j.dataset, 1);
        vm.assertEq(j.buyer, buyer);
        vm.assertEq(uint256(j.state), uint256(IJobMarket.State.OPEN));
        vm.assertEq(j.units, UNITS);
        vm.assertEq(j.rows, ROWS);
        vm.assertEq(j.replicas, 2);
        vm.assertEq(j.drawn, 0);
        vm.assertEq(j.round, 0);
        vm.assertEq(j.price, JOB_PRICE);
        vm.assertEq(j.maxFee, MAX_FEE);
        vm.assertEq(j.deadline, block.timestamp + DRAW);
        vm.assertEq(j.seedBlock, block.number + 1);
        vm.assertEq(j.openedBlock, block.number);
        vm.assertEq(j.closedBlock, 0);
        vm.assertFalse(j.revealing);
        vm.assertEq(j.receipt, bytes32(0));
        vm.assertEq(j.contestedFrom, 0);
        vm.assertEq(jobs.executionsOf(job).length, 0);
        vm.assertEq(licenses.licenseOf(license).jobsLeft, 9);
    }

    function testFuzz_open_with_any_sane_order(
        uint64 firstRow,
        uint64 rows,
        uint64 units,
        uint8 replicas,
        uint96 maxFee
    ) public {
        uint256 license = _license();
        IJobMarket.Order memory o = _order(license, 0);
        o.rows = uint64(_bound(rows, 1, ROWS));
        o.firstRow = uint64(_bound(firstRow, 0, ROWS - o.rows));
        o.units = uint64(_bound(units, 1, type(uint64).max));
        o.replicas = uint8(_bound(replicas, 1, 5));
        o.maxFee = _bound(maxFee, 0, 900_000 * USD);
        vm.prank(owner);
        jobs.bondCustodian(1, 900_000 * USD);
        vm.prank(buyer);
        uint256 job = jobs.open(o);
        IJobMarket.Job memory j = jobs.get(job);
        vm.assertEq(j.rows, o.rows);
        vm.assertEq(j.units, o.units);
        vm.assertEq(j.replicas, o.replicas);
        vm.assertEq(j.maxFee, o.maxFee);
        vm.assertEq(j.price, 100_000 + 1_000 * uint256(o.rows));
        vm.assertEq(usd.balanceOf(address(jobs)), j.price + o.maxFee + CUSTODY + 900_000 * USD);
        (, uint256 held) = jobs.custodyOf(1);
        vm.assertEq(held, o.maxFee);
    }

    function test_open_refuses_an_order_with_a_hole() public {
        uint256 license = _license();
        for (uint256 i = 0; i < 3; ++i) {
            IJobMarket.Order memory o = _order(license, 2);
            if (i == 0) o.circuit = bytes32(0);
            if (i == 1) o.sealingKey = bytes32(0);
            if (i == 2) o.units = 0;
            vm.expectRevert(IJobMarket.BadOrder.selector);
            vm.prank(buyer);
            jobs.open(o);
        }
    }

    function test_open_refuses_no_replicas_and_too_many() public {
        uint256 license = _license();
        vm.startPrank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.BadReplicas.selector, 0));
        jobs.open(_order(license, 0));
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.BadReplicas.selector, 6));
        jobs.open(_order(license, 6));
        vm.stopPrank();
    }

    function test_open_refuses_a_fee_that_the_record_cannot_hold() public {
        IJobMarket.Order memory o = _order(_license(), 2);
        o.maxFee = uint256(type(uint80).max) + 1;
        vm.expectRevert(abi.encodeWithSignature("SafeCastOverflowedUintDowncast(uint8,uint256)", 80, o.maxFee));
        vm.prank(buyer);
        jobs.open(o);
    }

    function testFuzz_open_only_what_was_quoted(uint16 version, bytes32 content) public {
        uint256 license = _license();
        IJobMarket.Order memory o = _order(license, 2);
        vm.assume(version != o.version && content != o.content);
        bytes memory reason = abi.encodeWithSelector(IJobMarket.OrderOutdated.selector, 1, 1);
        bytes32 right = o.content;
        o.content = content;
        vm.expectRevert(reason);
        vm.prank(buyer);
        jobs.open(o);
        (o.version, o.content) = (version, right);
        vm.expectRevert(reason);
        vm.prank(buyer);
        jobs.open(o);
    }

    function test_open_refuses_the_order_for_an_earlier_version_even_of_the_same_bytes() public {
        uint256 license = _license();
        vm.prank(owner);
        datasets.newVersion(1, MANIFEST, RAW, ROOT, PROFILE, ROWS);
        IJobMarket.Order memory o = _order(license, 2);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.OrderOutdated.selector, 1, 2));
        vm.prank(buyer);
        jobs.open(o);
        o.version = 2;
        vm.prank(buyer);
        jobs.open(o);
    }

    function testFuzz_open_only_what_the_custodian_s_bond_can_answer_for(uint64 fee) public {
        uint256 license = _license();
        vm.startPrank(buyer);
        IJobMarket.Order memory o = _order(license, 2);
        uint256 first = o.maxFee = _bound(fee, 0, CUSTODY);
        jobs.open(o);
        o.maxFee = CUSTODY - first + 1;
        vm.expectRevert(
            abi.encodeWithSelector(IJobMarket.CustodianNotBonded.selector, 1, CUSTODY - first, CUSTODY - first + 1)
        );
        jobs.open(o);
        o.maxFee = CUSTODY - first;
        jobs.open(o);
        vm.stopPrank();
    }

    function testFuzz_open_only_with_ones_own_license(address caller) public {
        uint256 license = _license();
        vm.assume(caller != buyer);
        vm.expectRevert(abi.encodeWithSelector(ILicenseMarket.NotLicenseHolder.selector, license, caller));
        vm.prank(caller);
        jobs.open(_order(license, 2));
    }

    function test_open_needs_the_money() public {
        uint256 license = _license();
        vm.startPrank(buyer);
        usd.approve(address(jobs), JOB_PRICE + MAX_FEE - 1);
        vm.expectRevert();
        jobs.open(_order(license, 2));
        vm.stopPrank();
        vm.assertEq(licenses.licenseOf(license).jobsLeft, 10);
    }

    function test_openWithPermit_needs_no_approval() public {
        uint256 license = _license();
        vm.prank(buyer);
        usd.approve(address(jobs), 0);
        (uint8 v, bytes32 r, bytes32 s) = _signPermit(address(jobs), JOB_PRICE + MAX_FEE, block.timestamp);
        vm.prank(buyer);
        uint256 job = jobs.openWithPermit(_order(license, 2), block.timestamp, v, r, s);
        vm.assertEq(_state(job), 1);
        vm.assertEq(usd.balanceOf(address(jobs)), JOB_PRICE + MAX_FEE + CUSTODY);
    }

    function testFuzz_openWithPermit_refuses_a_bad_permit_without_allowance(bytes32 r) public {
        uint256 license = _license();
        vm.prank(buyer);
        usd.approve(address(jobs), 1);
        vm.expectRevert(abi.encodeWithSelector(Permits.NoAllowance.selector, 1, JOB_PRICE + MAX_FEE));
        vm.prank(buyer);
        jobs.openWithPermit(_order(license, 2), block.timestamp, 27, r, bytes32(uint256(1)));
    }

    // --- draw

    function test_draw_assigns_and_tells_whom() public {
        uint256 license = _license();
        _bondFirst(2);
        uint256 job = _open(license, 2);
        _mine(2);
        vm.setBlockhash(block.number - 1, keccak256("a block"));
        _expectAssigned(job, keccak256("a block"));
        vm.prank(stranger);
        jobs.draw(job);
        IJobMarket.Job memory j = jobs.get(job);
        vm.assertEq(uint256(j.state), uint256(IJobMarket.State.ASSIGNED));
        vm.assertEq(j.drawn, 2);
        vm.assertEq(j.deadline, block.timestamp + COMMIT);
        IJobMarket.Execution[] memory e = jobs.executionsOf(job);
        vm.assertEq(e.length, 2);
        vm.assertEq(e[0].fee, FEE);
        vm.assertEq(e[0].commitment, bytes32(0));
        vm.assertEq(e[0].receipt, bytes32(0));
        vm.assertFalse(e[0].out);
        vm.assertTrue(e[0].provider != e[1].provider);
        vm.assertEq(providers.get(e[0].provider).locked, FLOOR);
    }

    /// @dev The same draw, worked out here and undone, names the providers that the event must name.
    function _expectAssigned(uint256 job, bytes32 entropy) private {
        address[] memory excluded = new address[](3);
        (excluded[0], excluded[1], excluded[2]) = (buyer, owner, custodian);
        bytes32 seed = keccak256(abi.encode(entropy, block.chainid, address(jobs), job, uint256(0)));
        vm.startPrank(address(jobs));
        (address[] memory drawn, uint256[] memory fees,) =
            providers.draw(IProviderRegistry.Call(seed, 2, 2, block.number - 1, UNITS, MAX_FEE / 2, excluded));
        providers.unlock(drawn, fees, UNITS);
        vm.stopPrank();
        vm.expectEmit(address(jobs));
        emit IJobMarket.JobAssigned(job, drawn, fees, block.timestamp + COMMIT);
    }

    function test_draw_waits_until_the_seed_is_known() public {
        uint256 license = _license();
        _bondFirst(2);
        uint256 job = _open(license, 2);
        // Through the IR the compiler may read the block's number once for a whole function: heights are told, not
        // asked.
        uint256 seedBlock = jobs.get(job).seedBlock;
        for (uint256 height = seedBlock - 1; height <= seedBlock; ++height) {
            vm.roll(height);
            vm.expectRevert(abi.encodeWithSelector(IJobMarket.DrawTooEarly.selector, job, seedBlock));
            jobs.draw(job);
        }
        vm.roll(seedBlock + 1);
        jobs.draw(job);
    }

    function test_draw_arms_a_new_seed_when_the_old_one_is_out_of_reach() public {
        uint256 license = _license();
        _bondFirst(2);
        uint256 job = _open(license, 2);
        uint256 first = jobs.get(job).seedBlock;
        vm.roll(first + 257);
        vm.expectEmit(address(jobs));
        emit IJobMarket.DrawArmed(job, first + 258);
        jobs.draw(job);
        vm.assertEq(_state(job), 1);
        vm.assertEq(jobs.get(job).seedBlock, first + 258);
        _draw(job);
        vm.assertEq(_state(job), 2);
    }

    function testFuzz_draw_within_the_window_uses_the_seed(uint8 wait) public {
        uint256 license = _license();
        _bondFirst(3);
        uint256 job = _open(license, 2);
        uint256 seedBlock = jobs.get(job).seedBlock;
        vm.roll(seedBlock + _bound(wait, 1, 256));
        jobs.draw(job);
        vm.assertEq(_state(job), 2);
    }

    function test_draw_takes_neither_the_buyer_nor_the_owner_nor_the_custodian() public {
        _fund(custodian);
        uint256 license = _license();
        _bond(buyer);
        _bond(owner);
        _bond(custodian);
        _bond(p[0]);
        uint256 job = _open(license, 2);
        _mine(2);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotEnoughProviders.selector, 1, 2));
        jobs.draw(job);
    }

    function test_draw_takes_only_whom_the_fee_cap_can_pay() public {
        uint256 license = _license();
        _bondFirst(2);
        vm.prank(p[1]);
        providers.setTerms(uint48(MAX_FEE / 2 - FEE + FIXED) + 1, PRICE, UNITS);
        uint256 job = _open(license, 2);
        _mine(2);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotEnoughProviders.selector, 1, 2));
        jobs.draw(job);
        vm.prank(p[1]);
        providers.setTerms(uint48(MAX_FEE / 2 - FEE + FIXED), PRICE, UNITS);
        jobs.draw(job);
        vm.assertEq(_state(job), 2);
    }

    function test_draw_refuses_who_came_after_the_job() public {
        uint256 license = _license();
        _bond(p[0]);
        uint256 job = _open(license, 1);
        vm.prank(p[0]);
        providers.unbond();
        _mine(1);
        _bond(p[1]); // in the freed seat, in the seed block
        _mine(1);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotEnoughProviders.selector, 0, 1));
        jobs.draw(job);
    }

    function test_draw_refuses_other_states_and_late_calls() public {
        uint256 job = _assigned(2, 2);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.WrongState.selector, job, IJobMarket.State.ASSIGNED));
        jobs.draw(job);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.WrongState.selector, 77, IJobMarket.State.NONE));
        jobs.draw(77);
        uint256 late = _open(1, 2);
        uint256 deadline = jobs.get(late).deadline;
        _mine(2);
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.DeadlinePassed.selector, late, deadline));
        jobs.draw(late);
        vm.warp(deadline);
        jobs.draw(late);
    }

    // --- views

    function test_get_refuses_a_job_that_never_was() public {
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NoSuchJob.selector, 1));
        jobs.get(1);
    }
}
