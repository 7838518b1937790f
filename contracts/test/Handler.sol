// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IJobMarket} from "../src/interfaces/IJobMarket.sol";
import {Crowd} from "./Crowd.sol";

/// @title A market in random use: each step takes one kind of action in turn, on a target that chance picks
/// @dev An action that finds no target brings one about first, so that no action is ever skipped: a run of `KINDS`
///      steps or more has seen each of them succeed, and `done` proves it. Nothing may revert. Long because every
///      action may have to bring about the states of every other.
contract Handler is Crowd {
    enum Kind {
        Open,
        Draw,
        Commit,
        Release,
        Lie,
        Refuse,
        SilentAtCommit,
        Reveal,
        SilentAtReveal,
        ExpireOpen,
        ExpireComputed,
        Withdraw,
        Collect,
        Revoke,
        Unbond,
        WithdrawBond,
        Heartbeat,
        Pause,
        Transfer,
        Tombstone,
        Decline,
        Approve,
        Deny,
        Contest,
        WinContest,
        LoseContest,
        SilentInContest,
        BondCustody,
        UnbondCustody,
        Settle,
        Deactivate,
        Compact
    }

    uint256 public constant KINDS = 32;

    uint256[KINDS] public done;
    uint256 public turn;
    /// @dev What owners said of each job.
    mapping(uint256 job => IJobMarket.Approval) public words;

    constructor() {
        _deploy();
        for (uint256 i = 0; i < p.length; ++i) {
            _bondAs(p[i]);
        }
        _license();
        (clock, height) = (block.timestamp, block.number);
    }

    /// @notice One action. `dice` picks whom and how.
    function step(uint256 dice) external {
        Kind kind = Kind(turn % KINDS);
        ++turn;
        // A minute a step: jobs live next to each other, and deadlines pass only when an action wants them to.
        vm.warp(clock + 1 + dice % 60);
        vm.roll(height + 1);
        _keepAlive();
        _act(kind, dice >> 8);
        ++done[uint256(kind)];
        _note();
        (clock, height) = (block.timestamp, block.number);
    }

    function _act(Kind kind, uint256 dice) private {
        if (kind == Kind.Open) _openJob(dice);
        else if (kind == Kind.Draw) _drawJob(dice);
        else if (kind == Kind.Commit) _commitNext(_assignedJob(dice), dice);
        else if (kind == Kind.Reveal) _finish(_revealingJob(dice), dice, RECEIPT);
        else if (kind == Kind.Lie) _finish(_revealingJob(dice), dice, LIE);
        else if (kind == Kind.Release) _answer(_releasableJob(dice), true);
        else if (kind == Kind.Refuse) _answer(_computedJob(dice), false);
        else if (kind == Kind.SilentAtCommit) _silence(_assignedJob(dice));
        else if (kind == Kind.SilentAtReveal) _silence(_revealingJob(dice));
        else if (kind == Kind.ExpireOpen) _silence(_openJob(dice));
        else if (kind == Kind.ExpireComputed) _silence(_computedJob(dice));
        else if (kind == Kind.Withdraw) _withdraw(dice);
        else if (kind == Kind.Collect) _collect(dice);
        else if (kind == Kind.Revoke) _revoke(dice);
        else if (kind == Kind.Unbond) _leave(dice);
        else if (kind == Kind.WithdrawBond) _cashBond(dice);
        else if (kind == Kind.Heartbeat) _beat(dice);
        else if (kind == Kind.Pause) _pause(dice);
        else if (kind == Kind.Transfer) _sell();
        else if (kind == Kind.Tombstone) _tombstone();
        else if (kind == Kind.Decline) _decline(_assignedJob(dice));
        else if (kind == Kind.Approve || kind == Kind.Deny) _say(dice, kind == Kind.Approve);
        else _actOnTheNew(kind, dice);
    }

    function _actOnTheNew(Kind kind, uint256 dice) private {
        if (kind == Kind.Contest) _contested(dice, 3);
        else if (kind == Kind.WinContest) _contest(dice, LIE);
        else if (kind == Kind.LoseContest) _contest(dice, RECEIPT);
        else if (kind == Kind.SilentInContest) _silence(_contested(dice, 3));
        else if (kind == Kind.BondCustody) _bondCustody(dice, true);
        else if (kind == Kind.UnbondCustody) _bondCustody(dice, false);
        else if (kind == Kind.Settle) _settle(dice);
        else if (kind == Kind.Deactivate) _deactivate(dice);
        else providers.compact(_bound(dice, 0, 5));
    }

    // --- getting a job into a state

    function _openJob(uint256 dice) private returns (uint256 job) {
        if (block.timestamp <= jobs.pausedUntil()) vm.warp(uint256(jobs.pausedUntil()) + 1);
        _keepAlive();
        uint256 license = _usableLicense();
        IJobMarket.Order memory o = _order(license, uint8(_bound(dice, 1, 3)));
        o.rows = uint64(_bound(dice >> 16, 1, ROWS));
        o.maxFee = o.replicas * FEE + dice % USD;
        _bondCustody(licenses.licenseOf(license).dataset);
        vm.prank(buyer);
        job = jobs.open(o);
        live.push(job);
    }

    /// @dev Any job in `state`, the search starting where chance says; 0 when there is none.
    function _find(uint256 dice, IJobMarket.State state, bool revealing) private view returns (uint256) {
        uint256 count = live.length;
        for (uint256 k = 0; k < count; ++k) {
            uint256 job = live[(dice % count + k) % count];
            IJobMarket.Job memory j = jobs.get(job);
            bool inTime = block.timestamp <= j.deadline;
            if (j.state == state && j.revealing == revealing && inTime) return job;
        }
        return 0;
    }

    function _drawJob(uint256 dice) private returns (uint256 job) {
        job = _find(dice, dice % 2 == 0 ? IJobMarket.State.OPEN : IJobMarket.State.DISPUTED, false);
        if (job == 0 || !_tryDraw(job)) {
            job = _openJob(dice);
            vm.assertTrue(_tryDraw(job), "a new job can be drawn");
        }
    }

    /// @dev A draw may find too few who are free; that is a state of the world and not an error.
    function _tryDraw(uint256 job) private returns (bool) {
        uint256 seedBlock = jobs.get(job).seedBlock;
        if (block.number > seedBlock + 256) {
            jobs.draw(job);
            seedBlock = jobs.get(job).seedBlock;
        }
        if (block.number <= seedBlock) vm.roll(seedBlock + 1);
        try jobs.draw(job) {
            return true;
        } catch {
            return false;
        }
    }

    function _assignedJob(uint256 dice) private returns (uint256 job) {
        job = _find(dice, IJobMarket.State.ASSIGNED, false);
        if (job == 0) job = _drawJob(dice);
    }

    function _revealingJob(uint256 dice) private returns (uint256 job) {
        job = _find(dice, IJobMarket.State.ASSIGNED, true);
        if (job != 0) return job;
        do {
            job = _assignedJob(dice);
            // Ends in reveals or, when somebody had declined, in another draw.
            while (jobs.get(job).state == IJobMarket.State.ASSIGNED && !jobs.get(job).revealing) _commitNext(job, dice);
            dice = uint256(keccak256(abi.encode(dice)));
        } while (!jobs.get(job).revealing);
    }

    function _computedJob(uint256 dice) private returns (uint256 job) {
        job = _find(dice, IJobMarket.State.COMPUTED, false);
        while (job == 0) {
            uint256 candidate = _revealingJob(dice);
            _finish(candidate, dice, RECEIPT);
            if (jobs.get(candidate).state == IJobMarket.State.COMPUTED) job = candidate;
            dice = uint256(keccak256(abi.encode(dice)));
        }
    }

    /// @dev A computed job that the owner did not deny; those that are in the way are refused.
    function _releasableJob(uint256 dice) private returns (uint256 job) {
        job = _computedJob(dice);
        while (jobs.get(job).approval == IJobMarket.Approval.DENIED) {
            _answer(job, false);
            job = _computedJob(dice);
        }
    }

    // --- what people do

    /// @dev Whoever is drawn and has not committed yet; it commits to the truth or, one time in eight, to a lie.
    function _commitNext(uint256 job, uint256 dice) private {
        IJobMarket.Execution[] memory list = jobs.executionsOf(job);
        for (uint256 i = 0; i < list.length; ++i) {
            IJobMarket.Execution memory e = list[i];
            if (e.out || e.commitment != 0 || e.receipt != 0) continue;
            _commit(job, e.provider, _claim(job, e.provider, dice));
            return;
        }
        vm.assertTrue(false, "an assigned job waits for somebody");
    }

    function _decline(uint256 job) private {
        IJobMarket.Execution[] memory list = jobs.executionsOf(job);
        for (uint256 i = list.length; i > 0; --i) {
            IJobMarket.Execution memory e = list[i - 1];
            if (e.out || e.commitment != 0 || e.receipt != 0) continue;
            vm.prank(e.provider);
            jobs.decline(job);
            return;
        }
        vm.assertTrue(false, "an assigned job waits for somebody");
    }

    mapping(uint256 job => mapping(address provider => bytes32)) private _claims;

    function _claim(uint256 job, address provider, uint256 dice) private returns (bytes32 claim) {
        claim = uint256(keccak256(abi.encode(dice, provider))) % 8 == 0 ? LIE : RECEIPT;
        _claims[job][provider] = claim;
    }

    /// @dev Everybody who committed reveals; when they end in a dispute, those drawn next say `receipt`.
    function _finish(uint256 job, uint256 dice, bytes32 receipt) private {
        for (uint256 round = 0; round < 5; ++round) {
            IJobMarket.Execution[] memory list = jobs.executionsOf(job);
            for (uint256 i = 0; i < list.length; ++i) {
                if (!list[i].out && list[i].commitment != 0) {
                    _reveal(job, list[i].provider, _claims[job][list[i].provider]);
                }
            }
            if (dice % 3 == 0 || jobs.get(job).state != IJobMarket.State.DISPUTED || !_tryDraw(job)) return;
            while (!jobs.get(job).revealing) {
                list = jobs.executionsOf(job);
                for (uint256 i = 0; i < list.length; ++i) {
                    if (list[i].out || list[i].commitment != 0 || list[i].receipt != 0) continue;
                    _claims[job][list[i].provider] = receipt;
                    _commit(job, list[i].provider, receipt);
                }
            }
        }
    }

    function _answer(uint256 job, bool yes) private {
        uint256 dataset = jobs.get(job).dataset;
        (, address answering) = datasets.parties(dataset);
        bytes32 head = heads[dataset];
        bytes32 decision = keccak256(abi.encode(job, yes));
        heads[dataset] = keccak256(abi.encode(head, job, decision));
        vm.prank(answering);
        if (yes) jobs.release(job, SEALED, decision, head);
        else jobs.refuse(job, REASON, decision, head);
    }

    /// @dev A computed job of at most `most` replicas that was contested just now.
    function _contested(uint256 dice, uint256 most) private returns (uint256 job) {
        job = _computedJob(dice);
        while (jobs.get(job).contestedFrom != 0 || jobs.get(job).replicas > most) {
            _answer(job, false);
            dice = uint256(keccak256(abi.encode(dice)));
            job = _computedJob(dice);
        }
        uint256 dataset = jobs.get(job).dataset;
        (, address answering) = datasets.parties(dataset);
        _bondCustody(dataset);
        vm.prank(answering);
        jobs.contest(job);
    }

    /// @dev All who are drawn for the contest say `receipt`, if there are enough of them.
    function _contest(uint256 dice, bytes32 receipt) private {
        uint256 job = _contested(dice, 2);
        _keepAlive();
        if (!_tryDraw(job)) return;
        uint256 from = jobs.get(job).contestedFrom;
        IJobMarket.Execution[] memory list = jobs.executionsOf(job);
        for (uint256 i = from; i < list.length; ++i) {
            _claims[job][list[i].provider] = receipt;
            _commit(job, list[i].provider, receipt);
        }
        for (uint256 i = from; i < list.length; ++i) {
            _reveal(job, list[i].provider, receipt);
        }
        vm.assertTrue(jobs.get(job).state == IJobMarket.State.COMPUTED, "as many others and one decide");
        vm.assertEq(jobs.get(job).receipt, receipt);
    }

    function _bondCustody(uint256 dice, bool more) private {
        uint256 dataset = 1 + dice % datasets.count();
        (uint256 bond, uint256 held) = jobs.custodyOf(dataset);
        (address holder, address answering) = datasets.parties(dataset);
        if (more) {
            vm.prank(p[dice % p.length]);
            jobs.bondCustodian(dataset, dice % USD);
        } else {
            vm.prank(dice % 2 == 0 ? holder : answering);
            jobs.unbondCustodian(dataset, _bound(dice, 0, bond - held));
        }
    }

    /// @dev Some license that is not settled: it ends, its jobs too, and what it did not use goes back.
    function _settle(uint256 dice) private {
        uint256 license = _usableLicense();
        (address holder, address answering) = datasets.parties(licenses.licenseOf(license).dataset);
        vm.prank(holder);
        licenses.revoke(license);
        _endAll();
        vm.warp(block.timestamp + jobs.longestLife() + 1);
        usedBits[license] = dice % (BITS + 1);
        vm.prank(dice % 2 == 0 ? holder : answering);
        licenses.settleLicense(license, usedBits[license]);
    }

    /// @dev An offer of which some licenses are sold, closed by its seller or by whoever holds the dataset now.
    function _deactivate(uint256 dice) private {
        uint256 license = _usableLicense();
        uint256 dataset = licenses.licenseOf(license).dataset;
        (address holder,) = datasets.parties(dataset);
        uint256 offer = _offerBy(holder, dataset, uint32(_bound(dice, 2, 5)));
        vm.prank(buyer);
        licenses.buy(offer);
        if (dice % 2 == 0) _sell();
        (address now_,) = datasets.parties(dataset);
        vm.prank(now_);
        licenses.deactivate(offer);
    }

    /// @dev The owner's word on any job that is alive and has none: a computed one, or one at any stage before.
    function _say(uint256 dice, bool yes) private {
        uint256 job = 0;
        for (uint256 k = 0; k < live.length && job == 0; ++k) {
            uint256 each = live[(dice % live.length + k) % live.length];
            if (words[each] == IJobMarket.Approval.NONE) job = each;
        }
        if (job == 0) job = _openJob(dice);
        words[job] = yes ? IJobMarket.Approval.APPROVED : IJobMarket.Approval.DENIED;
        (address holder,) = datasets.parties(jobs.get(job).dataset);
        vm.prank(holder);
        if (yes) jobs.approve(job);
        else jobs.deny(job);
    }

    function _silence(uint256 job) private {
        _passDeadline(job);
        uint256 before = _bonds();
        vm.prank(stranger);
        jobs.expire(job);
        vm.assertLe(_bonds(), before, "a deadline never adds to a bond");
    }

    function _withdraw(uint256 dice) private {
        address[] memory all = people();
        for (uint256 k = 0; k < all.length; ++k) {
            address who = all[(dice % all.length + k) % all.length];
            if (jobs.claimable(who) == 0) continue;
            uint256 claim = jobs.claimable(who);
            uint256 before = usd.balanceOf(who);
            vm.prank(who);
            jobs.withdraw();
            vm.assertEq(usd.balanceOf(who) - before, claim);
            return;
        }
        _silence(_openJob(dice));
        vm.prank(buyer);
        jobs.withdraw();
    }

    function _collect(uint256 dice) private {
        uint256 count = licenses.offerCount();
        uint256 offer = 1 + dice % count;
        for (uint256 k = 0; k < count; ++k) {
            offer = 1 + (dice % count + k) % count;
            (uint256 received, uint256 distributed) = jobs.earnings(offer);
            if (received > distributed) {
                jobs.collect(offer);
                return;
            }
        }
        uint256 job = _releasableJob(dice);
        _answer(job, true);
        jobs.collect(licenses.licenseOf(jobs.get(job).license).offer);
    }

    function _revoke(uint256 dice) private {
        uint256 license = _usableLicense();
        (address holder,) = datasets.parties(licenses.licenseOf(license).dataset);
        vm.prank(holder);
        licenses.revoke(license);
        if (dice % 2 == 0 && licenses.claimable(buyer) > 0) {
            vm.prank(buyer);
            licenses.withdraw();
        }
    }

    /// @dev One leaves; the table is filled up again by whoever had left before.
    function _leave(uint256 dice) private {
        for (uint256 i = 0; i < p.length; ++i) {
            if (providers.get(p[i]).seat == 0) _bondAs(p[i]);
        }
        vm.prank(p[dice % p.length]);
        providers.unbond();
    }

    function _cashBond(uint256 dice) private {
        for (uint256 k = 0; k < p.length; ++k) {
            address who = p[(dice % p.length + k) % p.length];
            if (providers.get(who).unbonding != 0 && _tryCash(who)) return;
        }
        for (uint256 k = 0; k < p.length; ++k) {
            address who = p[(dice % p.length + k) % p.length];
            if (providers.get(who).locked != 0) continue;
            if (providers.get(who).unbonding == 0) {
                if (providers.get(who).bond == 0) _bondAs(who);
                vm.prank(who);
                providers.unbond();
            }
            if (_tryCash(who)) return;
        }
        vm.assertTrue(dice == 0 || _endAll() > 0, "somebody's bond can be had once the jobs are over");
        _cashBond(dice + 1);
    }

    function _tryCash(address who) private returns (bool) {
        if (providers.get(who).locked != 0) return false;
        vm.warp(block.timestamp + UNBONDING);
        vm.prank(who);
        returned += providers.withdrawBond();
        _bondAs(who);
        return true;
    }

    function _beat(uint256 dice) private {
        address who = p[dice % p.length];
        if (providers.get(who).seat == 0) _bondAs(who);
        vm.warp(block.timestamp + ALIVE + 1);
        if (dice % 2 == 0) providers.evict(who);
        vm.prank(who);
        providers.heartbeat();
    }

    function _pause(uint256 dice) private {
        if (block.timestamp < jobs.nextPause()) vm.warp(jobs.nextPause());
        vm.startPrank(guardian);
        jobs.pause(_bound(dice, 1, 7 days));
        if (dice % 2 == 0) jobs.unpause();
        vm.stopPrank();
    }

    /// @dev The dataset changes hands; old licenses go on, new ones need a new offer.
    function _sell() private {
        uint256 dataset = datasets.count();
        (address holder,) = datasets.parties(dataset);
        address next = holder == owner ? p[0] : owner;
        vm.prank(holder);
        datasets.transferFrom(holder, next, dataset);
    }

    function _tombstone() private {
        uint256 dataset = datasets.count();
        (address holder, bool closed) = datasets.standing(dataset);
        if (closed) return;
        vm.prank(holder);
        datasets.tombstone(dataset, 1, REASON);
    }
}
