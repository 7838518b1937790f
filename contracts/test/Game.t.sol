// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IJobMarket} from "../src/interfaces/IJobMarket.sol";
import {World} from "./World.sol";

/// @title The market as a game: a coalition that does whatever chance tells it, against people who follow the rules
/// @dev A coalition has up to as many of the bonded providers as a result needs, and may have the buyer, or the owner
///      with the custodian. Honest executors reveal what they computed; an honest custodian releases a right result and
///      contests a wrong one; a keeper draws and expires for a reward of nothing.
/// Two things that the contracts cannot see are not held against them: a custodian may refuse, or release nonsense, at
///      its own loss of the price or of its name, and that costs an honest buyer the fees or the price.
contract GameTest is World {
    uint256 private constant CROWD = 8;
    uint256 private constant JOBS = 3;
    uint8 private constant REPLICAS = 2;
    bytes32 private constant TRUTH = RECEIPT;

    struct Play {
        bool badBuyer;
        bool badOwner;
        uint256 badProviders;
        uint256 dice;
    }

    uint256 private license;

    function setUp() public {
        _deploy();
        for (uint256 i = 0; i < CROWD; ++i) {
            _fund(_provider(i));
            _bond(_provider(i));
        }
        license = _license();
    }

    /// forge-config: default.fuzz.runs = 64
    /// forge-config: deep.fuzz.runs = 2000
    function testFuzz_no_coalition_is_richer_than_honesty_would_make_it_and_no_honest_party_loses(uint256 dice) public {
        Play memory play;
        (play.badBuyer, play.badOwner) = (dice & 1 == 1, dice & 2 == 2);
        for (uint256 k = 0; k < (dice >> 8) % (REPLICAS + 1); ++k) {
            play.badProviders |= 1 << (dice >> (16 + 8 * k)) % CROWD;
        }
        play.dice = uint256(keccak256(abi.encode(dice)));
        uint256[] memory before = _wealth();
        uint256 first = 0;
        for (uint256 k = 0; k < JOBS; ++k) {
            uint256 job = _open(license, REPLICAS);
            if (k == 0) first = job;
            _finish(job, play);
        }
        uint256[] memory afterwards = _wealth();
        _nothingIsMadeOrLost(before, afterwards);
        _theHonestLoseNothing(play, first, before, afterwards);
        _theCoalitionGainsNothing(play, first, before, afterwards);
    }

    // --- what people do

    function _finish(uint256 job, Play memory play) private {
        for (uint256 step = 0; step < 60 && _state(job) < 6; ++step) {
            uint256 state = _state(job);
            if (state == 1 || state == 3) _keeperDraws(job);
            else if (state == 2) _executorsAct(job, play);
            else _custodianActs(job, play);
        }
        vm.assertTrue(_state(job) >= 6, "every job ends");
    }

    function _roll(Play memory play) private pure returns (uint256) {
        play.dice = uint256(keccak256(abi.encode(play.dice)));
        return play.dice >> 8;
    }

    function _keeperDraws(uint256 job) private {
        vm.roll(jobs.get(job).seedBlock + 1);
        vm.prank(stranger);
        try jobs.draw(job) {}
        catch {
            _keeperExpires(job);
        }
    }

    function _keeperExpires(uint256 job) private {
        _passDeadline(job);
        _stayAlive();
        vm.prank(stranger);
        jobs.expire(job);
    }

    /// @dev Everybody's agent beats, the coalition's too: it gains nothing by dying.
    function _stayAlive() private {
        for (uint256 i = 0; i < CROWD; ++i) {
            vm.prank(_provider(i));
            providers.heartbeat();
        }
    }

    mapping(uint256 job => mapping(address provider => bytes32)) private _said;

    /// @dev One phase: the honest do their part, each of the coalition tells the truth, lies, leaves or is silent.
    function _executorsAct(uint256 job, Play memory play) private {
        bool revealing = jobs.get(job).revealing;
        IJobMarket.Execution[] memory list = jobs.executionsOf(job);
        for (uint256 i = 0; i < list.length && _state(job) == 2; ++i) {
            IJobMarket.Execution memory e = list[i];
            if (e.out || e.receipt != 0 || (e.commitment != 0) != revealing) continue;
            uint256 choice = _isBad(play, e.provider) ? _roll(play) % 6 : 0;
            if (choice == 1) continue;
            if (revealing) {
                _reveal(job, e.provider, _said[job][e.provider]);
            } else if (choice == 2) {
                vm.prank(e.provider);
                jobs.decline(job);
            } else {
                _said[job][e.provider] = choice > 2 ? LIE : TRUTH;
                _commit(job, e.provider, _said[job][e.provider]);
            }
        }
        if (_state(job) == 2 && jobs.get(job).revealing == revealing) _keeperExpires(job);
    }

    function _custodianActs(uint256 job, Play memory play) private {
        IJobMarket.Job memory j = jobs.get(job);
        bool doubts = j.receipt != TRUTH;
        if (!play.badOwner) {
            if (!doubts) _release(job);
            else if (j.contestedFrom == 0) _contest(job);
            else _refuse(job);
            return;
        }
        uint256 choice = _roll(play) % 4;
        if (choice == 0) _release(job);
        else if (choice == 1) _refuse(job);
        else if (choice == 2 && j.contestedFrom == 0) _contest(job);
        else _keeperExpires(job);
    }

    // --- what became of them

    function _nothingIsMadeOrLost(uint256[] memory before, uint256[] memory afterwards) private view {
        uint256 a = 0;
        uint256 b = providers.burned();
        for (uint256 i = 0; i < before.length; ++i) {
            (a, b) = (a + before[i], b + afterwards[i]);
        }
        vm.assertEq(a, b, "every coin is somebody's or burned");
    }

    function _theHonestLoseNothing(
        Play memory play,
        uint256 first,
        uint256[] memory before,
        uint256[] memory afterwards
    ) private view {
        for (uint256 i = 0; i < CROWD; ++i) {
            if (play.badProviders >> i & 1 == 0) {
                vm.assertLe(before[2 + i], afterwards[2 + i], "an honest executor");
            }
        }
        if (!play.badOwner) vm.assertLe(before[1], afterwards[1], "an honest owner");
        if (play.badBuyer) return;
        uint256 owed = 0;
        for (uint256 job = first; job < first + JOBS; ++job) {
            IJobMarket.Job memory j = jobs.get(job);
            bool settled = j.state == IJobMarket.State.SETTLED;
            if (!play.badOwner) {
                vm.assertTrue(j.state != IJobMarket.State.REFUSED, "a right result is found");
                vm.assertTrue(!settled || j.receipt == TRUTH, "and only that is paid for");
            }
            if (settled) owed += JOB_PRICE;
            if (settled || j.state == IJobMarket.State.REFUSED) owed += REPLICAS * FEE;
        }
        vm.assertLe(before[0], afterwards[0] + owed, "an honest buyer pays for answers");
    }

    /// @dev What the honest bought: its executors' fees from an honest buyer, and the price if the owner is one of it.
    function _theCoalitionGainsNothing(
        Play memory play,
        uint256 first,
        uint256[] memory before,
        uint256[] memory afterwards
    ) private view {
        uint256 had = 0;
        uint256 has = 0;
        for (uint256 i = 0; i < CROWD; ++i) {
            if (play.badProviders >> i & 1 == 1) (had, has) = (had + before[2 + i], has + afterwards[2 + i]);
        }
        if (play.badBuyer) (had, has) = (had + before[0], has + afterwards[0]);
        if (play.badOwner) (had, has) = (had + before[1], has + afterwards[1]);
        uint256 earned = 0;
        if (!play.badBuyer) {
            for (uint256 job = first; job < first + JOBS; ++job) {
                bool settled = jobs.get(job).state == IJobMarket.State.SETTLED;
                if (play.badOwner && settled) earned += JOB_PRICE;
                IJobMarket.Execution[] memory list = jobs.executionsOf(job);
                for (uint256 i = 0; i < list.length; ++i) {
                    if (_isBad(play, list[i].provider) && list[i].receipt != 0) earned += FEE;
                }
            }
        }
        vm.assertLe(has, had + earned, "a coalition earns what honesty would");
    }

    function _provider(uint256 i) private pure returns (address) {
        return address(uint160(0x7000 + i));
    }

    function _isBad(Play memory play, address provider) private pure returns (bool) {
        return play.badProviders >> (uint160(provider) - 0x7000) & 1 == 1;
    }

    /// @dev Of the buyer, of the owner with the custodian, of each provider, and of the keeper.
    function _wealth() private view returns (uint256[] memory list) {
        list = new uint256[](3 + CROWD);
        list[0] = _purse(buyer);
        (uint256 bond, uint256 held) = jobs.custodyOf(1);
        vm.assertEq(held, 0);
        list[1] = _purse(owner) + _purse(custodian) + bond;
        (uint256 received, uint256 distributed) = jobs.earnings(1);
        list[1] += received - distributed;
        (received, distributed) = licenses.earnings(1);
        list[1] += received - distributed;
        for (uint256 i = 0; i < CROWD; ++i) {
            list[2 + i] = _purse(_provider(i)) + providers.get(_provider(i)).bond;
        }
        list[2 + CROWD] = _purse(stranger);
    }

    function _purse(address who) private view returns (uint256) {
        return usd.balanceOf(who) + jobs.claimable(who) + licenses.claimable(who);
    }
}
