// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DatasetRegistry} from "../src/DatasetRegistry.sol";
import {JobMarket} from "../src/JobMarket.sol";
import {LicenseMarket} from "../src/LicenseMarket.sol";
import {ProviderRegistry} from "../src/ProviderRegistry.sol";
import {TestUSD} from "../src/TestUSD.sol";
import {IJobMarket} from "../src/interfaces/IJobMarket.sol";
import {ILicenseMarket} from "../src/interfaces/ILicenseMarket.sol";
import {IProviderRegistry} from "../src/interfaces/IProviderRegistry.sol";
import {Handler} from "./Handler.sol";
import {Vm, VM_ADDRESS} from "./Vm.sol";

/// @title What holds after every step of a market in random use, and at its end
contract InvariantsTest {
    Vm private constant vm = Vm(VM_ADDRESS);

    Handler private handler;
    /// @dev Every stake of these tests is the floor, for a job of these units.
    uint256 private constant FLOOR = 10e6;
    uint256 private constant UNITS = 10_000;

    TestUSD private usd;
    DatasetRegistry private datasets;
    LicenseMarket private licenses;
    ProviderRegistry private providers;
    JobMarket private jobs;

    function setUp() public {
        handler = new Handler();
        (address a, address b, address c, address d, address e) = handler.contracts();
        (usd, datasets, licenses) = (TestUSD(a), DatasetRegistry(b), LicenseMarket(c));
        (providers, jobs) = (ProviderRegistry(d), JobMarket(e));
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = Handler.step.selector;
        targets[0] = FuzzSelector({addr: address(handler), selectors: selectors});
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// forge-config: default.invariant.fail-on-revert = true
    /// forge-config: deep.invariant.fail-on-revert = true
    function invariant_the_books_balance_and_every_rule_holds() public view {
        IJobMarket.Job[] memory all = new IJobMarket.Job[](jobs.jobCount());
        for (uint256 i = 0; i < all.length; ++i) {
            all[i] = jobs.get(i + 1);
        }
        _escrowIsTheSumOfClaims(all);
        _licenseMoneyIsTheSumOfClaims();
        _bondsAreWhatIsThere();
        _stakesAreThoseOfRunningJobs(all);
        _noJobClosesTwice(all);
        _theOwnersWordStands(all);
        _usesAreWhatWasOpened(all);
        _custodyIsWhatOpenJobsHold(all);
        _bitsAreThoseOfLicenses();
    }

    /// @dev After the last step: everything succeeded at least once, every job ends, every coin comes out.
    function afterInvariant() public {
        uint256 kinds = handler.KINDS();
        if (handler.turn() >= kinds) {
            for (uint256 i = 0; i < kinds; ++i) {
                vm.assertGt(handler.done(i), 0, "an action never succeeded");
            }
        }
        (uint256 steps, uint256 time) = handler.endAll();
        // Four rounds of draw, commit, reveal and one release, and the same once more after a contest, a second each.
        vm.assertLe(time, jobs.longestLife() + 26, "jobs end within the sum of their deadlines");
        vm.assertLe(steps, 2 * 4 * 3 * jobs.jobCount(), "few calls end a job");
        handler.cashOut();
        vm.assertEq(usd.balanceOf(address(jobs)), 0, "nothing is stuck in the job market");
        vm.assertEq(usd.balanceOf(address(licenses)), 0, "nothing is stuck in the license market");
        vm.assertEq(usd.balanceOf(address(providers)), providers.burned(), "nothing is stuck in the bonds");
        vm.assertEq(handler.returned() + handler.slashed(), handler.bonded(), "bonded is returned or slashed");
    }

    function _escrowIsTheSumOfClaims(IJobMarket.Job[] memory all) private view {
        uint256 owed = _claims() + _undistributed() + _escrowed(all) + _custody();
        vm.assertEq(usd.balanceOf(address(jobs)), owed, "the job market's money is owed");
    }

    function _claims() private view returns (uint256 total) {
        address[] memory all = handler.people();
        for (uint256 i = 0; i < all.length; ++i) {
            total += jobs.claimable(all[i]);
        }
    }

    function _undistributed() private view returns (uint256 total) {
        for (uint256 offer = 1; offer <= licenses.offerCount(); ++offer) {
            (uint256 received, uint256 distributed) = jobs.earnings(offer);
            total += received - distributed;
        }
    }

    function _escrowed(IJobMarket.Job[] memory all) private pure returns (uint256 total) {
        for (uint256 i = 0; i < all.length; ++i) {
            IJobMarket.Job memory j = all[i];
            if (uint256(j.state) <= 4) total += j.price + j.maxFee;
        }
    }

    function _custody() private view returns (uint256 total) {
        for (uint256 dataset = 1; dataset <= datasets.count(); ++dataset) {
            (uint256 bond,) = jobs.custodyOf(dataset);
            total += bond;
        }
    }

    function _custodyIsWhatOpenJobsHold(IJobMarket.Job[] memory all) private view {
        for (uint256 dataset = 1; dataset <= datasets.count(); ++dataset) {
            uint256 holds = 0;
            for (uint256 i = 0; i < all.length; ++i) {
                IJobMarket.Job memory j = all[i];
                if (j.dataset != dataset || uint256(j.state) > 4) continue;
                holds += j.maxFee;
                if (j.contestedFrom != 0) holds += (uint256(j.replicas) + 1) * (j.maxFee / j.replicas);
            }
            (uint256 bond, uint256 held) = jobs.custodyOf(dataset);
            vm.assertEq(held, holds, "a custodian's bond answers for its open jobs");
            vm.assertLe(held, bond, "and is there");
            vm.assertTrue(jobs.decisionHead(dataset) == handler.heads(dataset), "each answer follows the one before");
        }
    }

    function _bitsAreThoseOfLicenses() private view {
        uint256[] memory taken = new uint256[](datasets.count() + 1);
        for (uint256 offer = 1; offer <= licenses.offerCount(); ++offer) {
            ILicenseMarket.Offer memory o = licenses.offerOf(offer);
            taken[o.dataset] += uint256(o.microBits) * o.licensesLeft;
        }
        for (uint256 license = 1; license <= licenses.licenseCount(); ++license) {
            ILicenseMarket.License memory l = licenses.licenseOf(license);
            taken[l.dataset] += l.settled ? handler.usedBits(license) : l.microBits;
        }
        for (uint256 dataset = 1; dataset < taken.length; ++dataset) {
            (uint256 budget, uint256 reserved) = licenses.budgetOf(dataset);
            vm.assertEq(reserved, taken[dataset], "bits taken are those guaranteed or used");
            vm.assertLe(reserved, budget, "and no more than there are");
        }
    }

    function _licenseMoneyIsTheSumOfClaims() private view {
        uint256 owed = 0;
        address[] memory all = handler.people();
        for (uint256 i = 0; i < all.length; ++i) {
            owed += licenses.claimable(all[i]);
        }
        for (uint256 offer = 1; offer <= licenses.offerCount(); ++offer) {
            (uint256 received, uint256 distributed) = licenses.earnings(offer);
            owed += received - distributed;
        }
        vm.assertEq(usd.balanceOf(address(licenses)), owed, "the license market's money is owed");
    }

    function _bondsAreWhatIsThere() private view {
        uint256 bonds = 0;
        address[] memory all = handler.people();
        for (uint256 i = 0; i < all.length; ++i) {
            bonds += providers.get(all[i]).bond;
        }
        vm.assertEq(usd.balanceOf(address(providers)), bonds + providers.burned(), "the registry's money is bonds");
        vm.assertEq(
            bonds + handler.slashed() + handler.returned(), handler.bonded(), "bonded is there, back or slashed"
        );
    }

    function _stakesAreThoseOfRunningJobs(IJobMarket.Job[] memory list) private view {
        address[] memory all = handler.people();
        uint256[] memory held = new uint256[](all.length);
        for (uint256 i = 0; i < list.length; ++i) {
            uint256 state = uint256(list[i].state);
            if (state >= 1 && state <= 4) _addStakes(i + 1, all, held);
        }
        for (uint256 k = 0; k < all.length; ++k) {
            IProviderRegistry.Provider memory r = providers.get(all[k]);
            vm.assertEq(r.locked, held[k], "the stakes held are those of running jobs");
            vm.assertEq(uint256(r.inUse) * FLOOR, held[k] * UNITS, "and so are the units in use");
            vm.assertLe(r.inUse, r.capacity, "no more is in use than there is");
            vm.assertLe(r.locked, r.bond, "no more is held than bonded");
        }
    }

    function _addStakes(uint256 job, address[] memory all, uint256[] memory held) private view {
        IJobMarket.Execution[] memory list = jobs.executionsOf(job);
        for (uint256 i = 0; i < list.length; ++i) {
            if (list[i].out) continue;
            for (uint256 k = 0; k < all.length; ++k) {
                if (all[k] == list[i].provider) held[k] += providers.stakeFor(list[i].fee);
            }
        }
    }

    function _noJobClosesTwice(IJobMarket.Job[] memory all) private view {
        for (uint256 i = 0; i < all.length; ++i) {
            uint256 state = uint256(all[i].state);
            vm.assertEq(handler.closings(i + 1), state >= 6 ? 1 : 0, "a job closes once");
            if (state >= 6) vm.assertEq(handler.finalState(i + 1), state, "and stays as it closed");
        }
    }

    function _theOwnersWordStands(IJobMarket.Job[] memory all) private view {
        for (uint256 i = 0; i < all.length; ++i) {
            vm.assertEq(uint256(all[i].approval), uint256(handler.words(i + 1)), "a word stays as it was said");
            bool denied = all[i].approval == IJobMarket.Approval.DENIED;
            vm.assertTrue(!denied || all[i].state != IJobMarket.State.SETTLED, "a denied job is never released");
        }
    }

    function _usesAreWhatWasOpened(IJobMarket.Job[] memory all) private view {
        uint256 count = licenses.licenseCount();
        uint256[] memory used = new uint256[](count + 1);
        uint256[] memory rows = new uint256[](count + 1);
        for (uint256 i = 0; i < all.length; ++i) {
            if (uint256(all[i].state) >= 8) continue; // expired or failed: the use was given back
            ++used[all[i].license];
            rows[all[i].license] += all[i].rows;
        }
        for (uint256 license = 1; license <= count; ++license) {
            ILicenseMarket.License memory l = licenses.licenseOf(license);
            vm.assertEq(l.jobsLeft + used[license], 10, "jobs used are jobs opened");
            vm.assertEq(l.rowsLeft + rows[license], 10_000, "rows used are rows opened");
        }
    }
}
