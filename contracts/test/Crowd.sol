// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILicenseMarket} from "../src/interfaces/ILicenseMarket.sol";
import {World} from "./World.sol";

/// @title The people of a market in random use, and what was seen of their money and their jobs
abstract contract Crowd is World {
    /// @dev Time and height go on from call to call, whatever forge does with them between two.
    uint256 public clock;
    uint256 public height;
    /// @dev What ever went into and came out of the bonds.
    uint256 public bonded;
    uint256 public returned;
    uint256 public slashed;
    /// @dev What every answer so far makes a dataset's head.
    mapping(uint256 dataset => bytes32) public heads;
    /// @dev Licenses that were settled, and the bits each was said to have used.
    mapping(uint256 license => uint256) public usedBits;
    /// @dev How often each job was seen to enter a terminal state, and the one it was seen in.
    mapping(uint256 job => uint256) public closings;
    mapping(uint256 job => uint256) public finalState;
    /// @dev Jobs that have not been seen closed.
    uint256[] public live;

    function _bondAs(address who) internal {
        uint256 amount = providers.get(who).bond < BOND ? BOND : 0;
        vm.prank(who);
        providers.bond(amount, FIXED, PRICE, CAPACITY);
        bonded += amount;
    }

    function _keepAlive() internal {
        for (uint256 i = 0; i < p.length; ++i) {
            if (providers.get(p[i]).bond < FLOOR) _bondAs(p[i]);
            if (providers.get(p[i]).unbonding != 0) continue;
            vm.prank(p[i]);
            providers.heartbeat();
        }
    }

    /// @dev A license that can open a job now, bought if there is none.
    function _usableLicense() internal returns (uint256) {
        uint256 count = licenses.licenseCount();
        if (count > 0) {
            ILicenseMarket.License memory l = licenses.licenseOf(count);
            (, bool closed) = datasets.standing(l.dataset);
            bool valid = !l.revoked && block.timestamp <= l.validUntil && l.jobsLeft > 0 && l.rowsLeft >= ROWS;
            if (valid && !closed) return count;
        }
        uint256 dataset = datasets.count();
        (address holder, bool tombstoned) = datasets.standing(dataset);
        if (tombstoned) {
            dataset = _publish();
            holder = owner;
        }
        uint256 offer = _offerBy(holder, dataset, 1);
        vm.prank(buyer);
        return licenses.buy(offer);
    }

    function _offerBy(address holder, uint256 dataset, uint32 count) internal returns (uint256) {
        ILicenseMarket.Terms memory t = _terms(dataset);
        t.licenses = count;
        vm.prank(holder);
        return licenses.createOffer(t, new ILicenseMarket.Share[](0));
    }

    /// @dev Enough for any job of these tests and its contest.
    function _bondCustody(uint256 dataset) internal {
        (uint256 bond, uint256 held) = jobs.custodyOf(dataset);
        if (bond - held >= 5 * USD) return;
        vm.prank(owner);
        jobs.bondCustodian(dataset, CUSTODY);
    }

    function _note() internal {
        for (uint256 i = live.length; i > 0; --i) {
            uint256 job = live[i - 1];
            uint256 state = uint256(jobs.get(job).state);
            if (state < 6) continue;
            finalState[job] = state;
            ++closings[job];
            live[i - 1] = live[live.length - 1];
            live.pop();
        }
        slashed = bonded - returned - _bonds();
    }

    /// @notice Let every deadline pass until no job is alive; how many steps that took.
    function endAll() external returns (uint256 steps, uint256 time) {
        vm.warp(clock);
        vm.roll(height);
        steps = _endAll();
        time = block.timestamp - clock;
    }

    /// @dev From one deadline to the next, everything that is due at once.
    function _endAll() internal returns (uint256 steps) {
        _note();
        while (live.length > 0) {
            uint256 next = type(uint256).max;
            for (uint256 i = 0; i < live.length; ++i) {
                uint256 deadline = jobs.get(live[i]).deadline;
                if (deadline < next) next = deadline;
            }
            if (block.timestamp <= next) vm.warp(next + 1);
            for (uint256 i = 0; i < live.length; ++i) {
                if (block.timestamp <= jobs.get(live[i]).deadline) continue;
                jobs.expire(live[i]);
                ++steps;
            }
            _note();
        }
    }

    /// @notice Everybody takes out everything; nothing may stand in the way.
    function cashOut() external {
        uint256 offers = licenses.offerCount();
        for (uint256 offer = 1; offer <= offers; ++offer) {
            (uint256 received, uint256 distributed) = jobs.earnings(offer);
            if (received > distributed) jobs.collect(offer);
            (received, distributed) = licenses.earnings(offer);
            if (received > distributed) licenses.collect(offer);
        }
        for (uint256 dataset = 1; dataset <= datasets.count(); ++dataset) {
            (address holder,) = datasets.parties(dataset);
            (uint256 bond,) = jobs.custodyOf(dataset);
            vm.prank(holder);
            jobs.unbondCustodian(dataset, bond);
        }
        address[] memory all = people();
        for (uint256 i = 0; i < all.length; ++i) {
            vm.startPrank(all[i]);
            if (jobs.claimable(all[i]) > 0) jobs.withdraw();
            if (licenses.claimable(all[i]) > 0) licenses.withdraw();
            if (providers.get(all[i]).bond > 0) {
                if (providers.get(all[i]).unbonding == 0) providers.unbond();
                vm.warp(block.timestamp + UNBONDING);
                returned += providers.withdrawBond();
            }
            vm.stopPrank();
        }
    }

    function people() public view returns (address[] memory all) {
        all = new address[](4 + p.length);
        (all[0], all[1], all[2], all[3]) = (owner, buyer, custodian, address(this));
        for (uint256 i = 0; i < p.length; ++i) {
            all[4 + i] = p[i];
        }
    }

    function _bonds() internal view returns (uint256 total) {
        for (uint256 i = 0; i < p.length; ++i) {
            total += providers.get(p[i]).bond;
        }
    }

    function contracts() external view returns (address, address, address, address, address) {
        return (address(usd), address(datasets), address(licenses), address(providers), address(jobs));
    }
}
