// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {JobMarket} from "../src/JobMarket.sol";
import {Wired} from "../src/Wired.sol";
import {LicenseMarket} from "../src/LicenseMarket.sol";
import {ProviderRegistry} from "../src/ProviderRegistry.sol";
import {Shuffle} from "../src/Shuffle.sol";
import {TestUSD} from "../src/TestUSD.sol";
import {IDisputes} from "../src/interfaces/IDisputes.sol";
import {IJobMarket} from "../src/interfaces/IJobMarket.sol";
import {World} from "./World.sol";

/// @title How the contracts are wired, the test dollar, the shuffle
contract DeploymentTest is World {
    using Shuffle for Shuffle.Deck;

    function setUp() public {
        _deploy();
    }

    function test_the_contracts_know_each_other() public view {
        vm.assertEq(licenses.jobMarket(), address(jobs));
        vm.assertEq(providers.jobMarket(), address(jobs));
        vm.assertEq(address(jobs.datasets()), address(datasets));
        vm.assertEq(address(jobs.licenses()), address(licenses));
        vm.assertEq(address(jobs.providers()), address(providers));
        vm.assertEq(address(jobs.token()), address(usd));
        vm.assertEq(jobs.guardian(), guardian);
        vm.assertEq(jobs.drawWindow(), DRAW);
        vm.assertEq(jobs.commitWindow(), COMMIT);
        vm.assertEq(jobs.revealWindow(), REVEAL);
        vm.assertEq(jobs.releaseWindow(), RELEASE);
        uint256 heard = 2 * (DRAW + RELEASE + disputes.longestGame());
        vm.assertEq(jobs.longestLife(), 2 * 4 * (uint256(DRAW + COMMIT + REVEAL) + heard));
        vm.assertEq(address(jobs.disputes()), address(disputes));
        vm.assertEq(disputes.jobMarket(), address(jobs));
        vm.assertEq(providers.stakeFloor(), FLOOR);
        vm.assertEq(providers.evictionBounty(), BOUNTY);
        vm.assertEq(providers.unbondingDelay(), UNBONDING);
        vm.assertEq(providers.heartbeatWindow(), ALIVE);
    }

    function test_a_job_market_refuses_each_wrong_wire() public {
        Wire licensesWire = new Wire(address(usd), address(datasets));
        Wire providersWire = new Wire(address(usd), address(datasets));
        this.deploy(licensesWire, providersWire, new DisputesWire(), _windows());
        for (uint256 i = 0; i < 10; ++i) {
            Wired.Windows memory w = _windows();
            Wire l = new Wire(i == 0 ? stranger : address(usd), i == 1 ? stranger : address(datasets));
            Wire r = new Wire(i == 2 ? stranger : address(usd), address(datasets));
            if (i == 3) l.point(stranger);
            if (i == 4) r.point(stranger);
            if (i == 5) w.draw = 0;
            if (i == 6) w.commit = 0;
            if (i == 7) w.reveal = 0;
            if (i == 8) w.release = 0;
            DisputesWire d = new DisputesWire();
            if (i == 9) d.point(stranger);
            vm.expectRevert(IJobMarket.WiringWrong.selector);
            this.deploy(l, r, d, w);
        }
    }

    /// @dev External, so that a failed deployment undoes everything it did.
    function deploy(Wire l, Wire r, DisputesWire d, Wired.Windows memory w) external {
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)));
        if (l.jobMarket() == address(0)) l.point(next);
        if (r.jobMarket() == address(0)) r.point(next);
        if (d.jobMarket() == address(0)) d.point(next);
        new JobMarket(
            usd, datasets, LicenseMarket(address(l)), ProviderRegistry(address(r)), IDisputes(address(d)), guardian, w
        );
    }

    function testFuzz_faucet_gives_up_to_its_cap(uint256 amount) public {
        uint256 give = _bound(amount, 0, 1_000_000e6);
        usd.faucet(stranger, give);
        vm.assertEq(usd.balanceOf(stranger), give);
        vm.assume(amount > 1_000_000e6);
        vm.expectRevert(abi.encodeWithSelector(TestUSD.FaucetCap.selector, amount, 1_000_000e6));
        usd.faucet(stranger, amount);
    }

    function test_the_test_dollar_has_six_decimals() public view {
        vm.assertEq(usd.decimals(), 6);
        vm.assertEq(usd.symbol(), "tUSD");
    }

    function testFuzz_shuffle_deals_every_number_once(bytes32 seed, uint8 size) public pure {
        uint256 n = _bound(size, 1, 64);
        Shuffle.Deck memory deck = Shuffle.deck(seed, n, n);
        uint256 seen = 0;
        for (uint256 i = 0; i < n; ++i) {
            seen |= 1 << deck.next();
        }
        vm.assertEq(seen, (1 << n) - 1);
    }

    function test_shuffle_makes_all_orders_equally_likely() public pure {
        uint256[6] memory hits;
        for (uint256 k = 0; k < 6_000; ++k) {
            Shuffle.Deck memory deck = Shuffle.deck(keccak256(abi.encode(k)), 3, 3);
            uint256 first = deck.next();
            uint256 second = deck.next();
            ++hits[first * 2 + (second > first ? second - 1 : second)];
        }
        // 1,000 expected each, standard deviation 29
        for (uint256 i = 0; i < 6; ++i) {
            vm.assertTrue(hits[i] > 870 && hits[i] < 1_130);
        }
    }
}

/// @dev What a job market looks at when it is made, with any of it wrong.
contract Wire {
    address public immutable token;
    address public immutable datasets;
    address public jobMarket;

    constructor(address token_, address datasets_) {
        token = token_;
        datasets = datasets_;
    }

    function point(address jobMarket_) external {
        jobMarket = jobMarket_;
    }
}

/// @dev The same of the contract of disputes.
contract DisputesWire {
    address public jobMarket;

    function point(address jobMarket_) external {
        jobMarket = jobMarket_;
    }

    function longestGame() external pure returns (uint256) {
        return 1 hours;
    }
}
