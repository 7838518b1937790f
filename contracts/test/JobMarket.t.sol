// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IJobMarket} from "../src/interfaces/IJobMarket.sol";
import {ILicenseMarket} from "../src/interfaces/ILicenseMarket.sol";
import {IPayments} from "../src/interfaces/IPayments.sol";
import {IProviderRegistry} from "../src/interfaces/IProviderRegistry.sol";
import {Guarded} from "../src/Guarded.sol";
import {Permits} from "../src/Permits.sol";
import {World} from "./World.sol";

/// @title The straight way of a job: open, draw, commit, reveal, release or refuse
contract JobMarketTest is World {
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
        vm.assertEq(usd.balanceOf(address(jobs)), JOB_PRICE + MAX_FEE);
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
        vm.assertEq(j.pot, 0);
        vm.assertEq(jobs.executionsOf(job).length, 0);
        vm.assertEq(licenses.licenseOf(license).jobsLeft, 9);
    }

    function testFuzz_open_with_any_sane_order(
        uint64 firstRow,
        uint64 rows,
        uint64 units,
        uint8 replicas,
        uint96 maxFee
    )
        public
    {
        uint256 license = _license();
        IJobMarket.Order memory o = _order(license, 0);
        o.rows = uint64(_bound(rows, 1, ROWS));
        o.firstRow = uint64(_bound(firstRow, 0, ROWS - o.rows));
        o.units = uint64(_bound(units, 1, type(uint64).max));
        o.replicas = uint8(_bound(replicas, 1, 5));
        o.maxFee = _bound(maxFee, 0, 900_000 * USD);
        vm.prank(buyer);
        uint256 job = jobs.open(o);
        IJobMarket.Job memory j = jobs.get(job);
        vm.assertEq(j.rows, o.rows);
        vm.assertEq(j.units, o.units);
        vm.assertEq(j.replicas, o.replicas);
        vm.assertEq(j.maxFee, o.maxFee);
        vm.assertEq(j.price, 100_000 + 1_000 * uint256(o.rows));
        vm.assertEq(usd.balanceOf(address(jobs)), j.price + o.maxFee);
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
        o.maxFee = uint256(type(uint96).max) + 1;
        vm.expectRevert(abi.encodeWithSignature("SafeCastOverflowedUintDowncast(uint8,uint256)", 96, o.maxFee));
        vm.prank(buyer);
        jobs.open(o);
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
        vm.assertEq(usd.balanceOf(address(jobs)), JOB_PRICE + MAX_FEE);
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
        bytes32 seed = keccak256(abi.encode(entropy, block.chainid, address(jobs), job));
        vm.startPrank(address(jobs));
        (address[] memory drawn, uint256[] memory fees) =
            providers.draw(IProviderRegistry.Call(seed, 2, 2, block.number - 1, UNITS, MAX_FEE / 2, excluded));
        providers.unlock(drawn[0], FEE);
        providers.unlock(drawn[1], FEE);
        vm.stopPrank();
        vm.expectEmit(address(jobs));
        emit IJobMarket.JobAssigned(job, drawn, fees, block.timestamp + COMMIT);
    }

    function test_draw_waits_until_the_seed_is_known() public {
        uint256 license = _license();
        _bondFirst(2);
        uint256 job = _open(license, 2);
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IJobMarket.DrawTooEarly.selector, job, block.number + 1 - i));
            jobs.draw(job);
            _mine(1);
        }
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
        providers.setTerms(uint96(MAX_FEE / 2 / UNITS) + 1, UNITS);
        uint256 job = _open(license, 2);
        _mine(2);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotEnoughProviders.selector, 1, 2));
        jobs.draw(job);
        vm.prank(p[1]);
        providers.setTerms(uint96(MAX_FEE / 2 / UNITS), UNITS);
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

    function test_reveal_of_equal_receipts_pays_the_executors_at_once() public {
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
        emit IJobMarket.PaymentReleased(job, a, FEE);
        vm.expectEmit(address(jobs));
        emit IJobMarket.PaymentReleased(job, b, FEE);
        vm.expectEmit(address(jobs));
        emit IJobMarket.JobComputed(job, RECEIPT, block.timestamp + RELEASE);
        vm.expectEmit(address(jobs));
        emit IJobMarket.Refunded(job, buyer, MAX_FEE - 2 * FEE);
        _reveal(job, b, RECEIPT);
        IJobMarket.Job memory j = jobs.get(job);
        vm.assertEq(uint256(j.state), uint256(IJobMarket.State.COMPUTED));
        vm.assertEq(j.receipt, RECEIPT);
        vm.assertEq(j.deadline, block.timestamp + RELEASE);
        vm.assertFalse(j.revealing);
        vm.assertEq(jobs.claimable(a), FEE);
        vm.assertEq(jobs.claimable(b), FEE);
        vm.assertEq(jobs.claimable(buyer), MAX_FEE - 2 * FEE);
        vm.assertEq(providers.get(a).locked, 0);
        vm.assertEq(providers.get(b).locked, 0);
    }

    function testFuzz_reveal_with_any_number_of_replicas_and_any_price(
        uint8 replicas,
        uint96 price,
        uint96 maxFee
    )
        public
    {
        uint256 license = _license();
        uint256 n = _bound(replicas, 1, 5);
        uint256 cap = _bound(maxFee, 0, 10_000 * USD);
        uint96 each = uint96(_bound(price, 0, cap / n / UNITS));
        for (uint256 i = 0; i < 5; ++i) {
            vm.prank(p[i]);
            providers.bond(500_000 * USD, each, UNITS);
        }
        IJobMarket.Order memory o = _order(license, uint8(n));
        o.maxFee = cap;
        vm.prank(buyer);
        uint256 job = jobs.open(o);
        _draw(job);
        _agree(job, 0, RECEIPT);
        vm.assertEq(_state(job), 4);
        uint256 fee = uint256(each) * UNITS;
        for (uint256 i = 0; i < n; ++i) {
            vm.assertEq(jobs.claimable(_executor(job, i)), fee);
        }
        vm.assertEq(jobs.claimable(buyer), cap - n * fee);
        vm.assertEq(usd.balanceOf(address(jobs)), JOB_PRICE + cap);
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
    )
        public
        view
    {
        vm.assertEq(
            jobs.commitmentFor(job, provider, receipt, salt),
            keccak256(abi.encode(block.chainid, address(jobs), job, provider, receipt, salt))
        );
    }

    // --- release

    function test_release_settles_and_the_owner_has_earned() public {
        uint256 job = _computed();
        _mine(3);
        vm.expectEmit(address(jobs));
        emit IJobMarket.JobReleased(job, SEALED, DECISION);
        vm.expectEmit(address(jobs));
        emit IPayments.Earned(1, JOB_PRICE);
        vm.expectEmit(address(jobs));
        emit IJobMarket.JobSettled(job);
        _release(job);
        IJobMarket.Job memory j = jobs.get(job);
        vm.assertEq(uint256(j.state), uint256(IJobMarket.State.SETTLED));
        vm.assertEq(j.deadline, 0);
        vm.assertEq(j.closedBlock, block.number);
        vm.assertEq(j.receipt, RECEIPT);
        jobs.collect(1);
        vm.assertEq(jobs.claimable(owner), JOB_PRICE);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.WrongState.selector, job, IJobMarket.State.SETTLED));
        _release(job);
    }

    function testFuzz_release_only_by_the_custodian(address caller) public {
        uint256 job = _computed();
        vm.assume(caller != custodian);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NotCustodian.selector, job, caller));
        vm.prank(caller);
        jobs.release(job, SEALED, DECISION);
    }

    function test_release_needs_a_result_a_decision_and_to_be_in_time() public {
        uint256 job = _computed();
        uint256 deadline = jobs.get(job).deadline;
        vm.startPrank(custodian);
        vm.expectRevert(IJobMarket.ZeroDigest.selector);
        jobs.release(job, bytes32(0), DECISION);
        vm.expectRevert(IJobMarket.ZeroDigest.selector);
        jobs.release(job, SEALED, bytes32(0));
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.DeadlinePassed.selector, job, deadline));
        jobs.release(job, SEALED, DECISION);
        vm.warp(deadline);
        jobs.release(job, SEALED, DECISION);
        vm.stopPrank();
    }

    function test_release_not_before_the_receipts_agree() public {
        uint256 job = _assigned(2, 2);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.WrongState.selector, job, IJobMarket.State.ASSIGNED));
        _release(job);
    }

    function test_release_of_a_free_job_earns_nothing() public {
        uint256 dataset = _publish();
        ILicenseMarket.Terms memory t = _terms(dataset);
        (t.priceLicense, t.priceJob, t.priceRow) = (0, 0, 0);
        vm.prank(owner);
        uint256 offer = licenses.createOffer(t, new ILicenseMarket.Share[](0));
        vm.prank(buyer);
        uint256 license = licenses.buy(offer);
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(p[i]);
            providers.bond(BOND, 0, UNITS);
        }
        IJobMarket.Order memory o = _order(license, 2);
        o.maxFee = 0;
        vm.prank(buyer);
        uint256 job = jobs.open(o);
        _draw(job);
        _agree(job, 0, RECEIPT);
        _release(job);
        vm.assertEq(_state(job), 6);
        vm.assertEq(usd.balanceOf(address(jobs)), 0);
        vm.expectRevert(abi.encodeWithSelector(IPayments.NothingToCollect.selector, offer));
        jobs.collect(offer);
    }

    function test_release_answers_to_a_custodian_named_later() public {
        uint256 job = _computed();
        vm.prank(owner);
        datasets.setCustodian(1, stranger);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NotCustodian.selector, job, custodian));
        _release(job);
        vm.prank(stranger);
        jobs.release(job, SEALED, DECISION);
    }

    // --- refuse

    function test_refuse_gives_the_price_back_and_keeps_the_use() public {
        uint256 job = _computed();
        uint256 before = jobs.claimable(buyer);
        vm.expectEmit(address(jobs));
        emit IJobMarket.JobRefused(job, REASON, DECISION);
        vm.expectEmit(address(jobs));
        emit IJobMarket.Refunded(job, buyer, JOB_PRICE);
        vm.prank(custodian);
        jobs.refuse(job, REASON, DECISION);
        vm.assertEq(_state(job), 7);
        vm.assertEq(jobs.get(job).closedBlock, block.number);
        vm.assertEq(jobs.claimable(buyer) - before, JOB_PRICE);
        vm.assertEq(licenses.licenseOf(1).jobsLeft, 9);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.WrongState.selector, job, IJobMarket.State.REFUSED));
        _release(job);
    }

    function testFuzz_refuse_only_by_the_custodian(address caller) public {
        uint256 job = _computed();
        vm.assume(caller != custodian);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NotCustodian.selector, job, caller));
        vm.prank(caller);
        jobs.refuse(job, REASON, DECISION);
    }

    function test_refuse_needs_a_reason_a_decision_and_to_be_in_time() public {
        uint256 job = _computed();
        uint256 deadline = jobs.get(job).deadline;
        vm.startPrank(custodian);
        vm.expectRevert(IJobMarket.ZeroDigest.selector);
        jobs.refuse(job, bytes32(0), DECISION);
        vm.expectRevert(IJobMarket.ZeroDigest.selector);
        jobs.refuse(job, REASON, bytes32(0));
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.DeadlinePassed.selector, job, deadline));
        jobs.refuse(job, REASON, DECISION);
        vm.stopPrank();
    }

    // --- the pause

    function test_pause_stops_new_jobs_and_nothing_else() public {
        uint256 job = _assigned(2, 2);
        vm.expectEmit(address(jobs));
        emit Guarded.Paused(block.timestamp + 7 days);
        vm.prank(guardian);
        jobs.pause(7 days);
        uint256 until = block.timestamp + 7 days;
        vm.assertEq(jobs.pausedUntil(), until);
        vm.assertEq(jobs.nextPause(), until + 21 days);
        vm.startPrank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Guarded.NewJobsPaused.selector, until));
        jobs.open(_order(1, 2));
        vm.expectRevert(abi.encodeWithSelector(Guarded.NewJobsPaused.selector, until));
        jobs.openWithPermit(_order(1, 2), block.timestamp, 27, SALT, SALT);
        vm.stopPrank();
        _agree(job, 0, RECEIPT);
        _release(job);
        jobs.collect(1);
        vm.prank(owner);
        jobs.withdraw();
        vm.warp(until + 1);
        vm.prank(buyer);
        jobs.open(_order(1, 2));
    }

    function testFuzz_pause_is_bounded_and_rests(uint256 duration, uint32 wait) public {
        vm.startPrank(guardian);
        vm.assume(duration == 0 || duration > 7 days);
        vm.expectRevert(abi.encodeWithSelector(Guarded.PauseTooLong.selector, duration));
        jobs.pause(duration);
        uint256 length = _bound(duration, 1, 7 days);
        jobs.pause(length);
        uint256 next = block.timestamp + length + 21 days;
        vm.warp(block.timestamp + _bound(wait, 0, length + 21 days - 1));
        vm.expectRevert(abi.encodeWithSelector(Guarded.PauseTooSoon.selector, next));
        jobs.pause(1);
        vm.warp(next);
        jobs.pause(1);
        vm.stopPrank();
    }

    function test_unpause_opens_the_market_without_shortening_the_rest() public {
        vm.startPrank(guardian);
        vm.expectRevert(Guarded.NotPaused.selector);
        jobs.unpause();
        jobs.pause(1 days);
        uint256 next = jobs.nextPause();
        vm.expectEmit(address(jobs));
        emit Guarded.Unpaused();
        jobs.unpause();
        vm.stopPrank();
        vm.assertEq(jobs.nextPause(), next);
        _open(_license(), 2);
    }

    function testFuzz_pause_and_unpause_only_by_the_guardian(address caller) public {
        vm.assume(caller != guardian);
        vm.startPrank(caller);
        vm.expectRevert(abi.encodeWithSelector(Guarded.NotGuardian.selector, caller));
        jobs.pause(1);
        vm.expectRevert(abi.encodeWithSelector(Guarded.NotGuardian.selector, caller));
        jobs.unpause();
        vm.stopPrank();
    }

    // --- views

    function test_get_refuses_a_job_that_never_was() public {
        vm.expectRevert(abi.encodeWithSelector(IJobMarket.NoSuchJob.selector, 1));
        jobs.get(1);
    }

    function _revealRaw(uint256 job, address caller, bytes32 receipt, bytes32 salt) private {
        vm.prank(caller);
        jobs.reveal(job, receipt, salt);
    }
}
