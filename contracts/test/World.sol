// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DatasetRegistry} from "../src/DatasetRegistry.sol";
import {Disputes} from "../src/dispute/Disputes.sol";
import {LineRules} from "../src/dispute/LineRules.sol";
import {JobMarket} from "../src/JobMarket.sol";
import {LicenseMarket} from "../src/LicenseMarket.sol";
import {ProviderRegistry} from "../src/ProviderRegistry.sol";
import {Wired} from "../src/Wired.sol";
import {TestUSD} from "../src/TestUSD.sol";
import {IJobMarket} from "../src/interfaces/IJobMarket.sol";
import {ILicenseMarket} from "../src/interfaces/ILicenseMarket.sol";
import {Vm, VM_ADDRESS} from "./Vm.sol";

/// @title A deployed market with its people, and the steps of a job
abstract contract World {
    Vm internal constant vm = Vm(VM_ADDRESS);

    uint256 internal constant USD = 1e6;
    uint256 internal constant FLOOR = 10 * USD;
    uint256 internal constant UNBONDING = 7 days;
    uint256 internal constant ALIVE = 1 days;
    uint32 internal constant DRAW = 1 hours;
    uint32 internal constant COMMIT = 6 hours;
    uint32 internal constant REVEAL = 1 hours;
    uint32 internal constant RELEASE = 24 hours;
    uint256 internal constant MOVE = 1 hours;
    uint256 internal constant DISPUTE_BOND = 2 * USD;

    uint32 internal constant ROWS = 285;
    uint64 internal constant UNITS = 10_000;
    uint64 internal constant CAPACITY = 100 * UNITS;
    uint48 internal constant FIXED = 40_000;
    uint48 internal constant PRICE = 6_000_000; // for a million units
    uint256 internal constant FEE = 100_000;
    uint256 internal constant MAX_FEE = 1 * USD;
    uint256 internal constant LICENSE_PRICE = 5 * USD;
    uint256 internal constant JOB_PRICE = 385_000; // 100,000 a job and 1,000 a row
    uint256 internal constant BOND = 1_000 * USD;
    /// @dev What a dataset's custodian puts up: a hundred jobs of the usual fee cap.
    uint256 internal constant CUSTODY = 100 * USD;
    uint256 internal constant BOUNTY = FLOOR / 200;
    uint32 internal constant BITS = 8_000_000;
    uint32 internal constant LICENSES = 100;
    uint64 internal constant BUDGET = 60_000_000_000;

    uint8 internal constant RAW = 0x55;
    bytes32 internal constant MANIFEST = keccak256("manifest");
    bytes32 internal constant ROOT = keccak256("data root");
    bytes32 internal constant PROFILE = keccak256("profile");
    bytes32 internal constant POLICY = keccak256("policy");
    bytes32 internal constant CIRCUIT = keccak256("circuit");
    bytes32 internal constant KEY = keccak256("sealing key");
    bytes32 internal constant RECEIPT = keccak256("receipt");
    bytes32 internal constant LIE = keccak256("lie");
    bytes32 internal constant SALT = keccak256("salt");
    bytes32 internal constant SEALED = keccak256("sealed");
    bytes32 internal constant DECISION = keccak256("decision");
    /// @dev Of a dataset that has answered no job.
    bytes32 internal constant HEAD = bytes32(0);
    bytes32 internal constant REASON = bytes32("rank-budget");

    uint256 internal constant BUYER_KEY = 0xB0B;

    TestUSD internal usd;
    DatasetRegistry internal datasets;
    LicenseMarket internal licenses;
    ProviderRegistry internal providers;
    JobMarket internal jobs;
    Disputes internal disputes;

    address internal owner = address(0x0A1);
    address internal custodian = address(0x0A2);
    address internal guardian = address(0x0A3);
    address internal stranger = address(0x0A4);
    address internal buyer;
    address[5] internal p = [address(0x101), address(0x102), address(0x103), address(0x104), address(0x105)];

    function _deploy() internal {
        vm.warp(1_800_000_000);
        vm.roll(1_000);
        buyer = vm.addr(BUYER_KEY);
        usd = new TestUSD();
        datasets = new DatasetRegistry();
        address market = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 4);
        licenses = new LicenseMarket(usd, datasets, market);
        providers = new ProviderRegistry(usd, market, FLOOR, UNBONDING, ALIVE);
        disputes = new Disputes(market, DISPUTE_BOND, MOVE, new LineRules());
        jobs = new JobMarket(usd, datasets, licenses, providers, disputes, guardian, _windows());
        _fund(owner);
        _fund(buyer);
        for (uint256 i = 0; i < p.length; ++i) {
            _fund(p[i]);
        }
    }

    function _windows() internal pure returns (Wired.Windows memory) {
        return Wired.Windows({draw: DRAW, commit: COMMIT, reveal: REVEAL, release: RELEASE});
    }

    /// @dev Money, and every contract allowed to take it.
    function _fund(address account) internal {
        usd.faucet(account, 1_000_000 * USD);
        vm.startPrank(account);
        usd.approve(address(licenses), type(uint256).max);
        usd.approve(address(providers), type(uint256).max);
        usd.approve(address(jobs), type(uint256).max);
        vm.stopPrank();
    }

    /// @dev A dataset whose custodian is bonded.
    function _publish() internal returns (uint256 dataset) {
        vm.startPrank(owner);
        dataset = datasets.publish(MANIFEST, RAW, ROOT, PROFILE, ROWS, custodian);
        jobs.bondCustodian(dataset, CUSTODY);
        vm.stopPrank();
    }

    function _terms(uint256 dataset) internal pure returns (ILicenseMarket.Terms memory) {
        return ILicenseMarket.Terms({
            dataset: dataset,
            priceLicense: LICENSE_PRICE,
            priceJob: 100_000,
            priceRow: 1_000,
            maxJobs: 10,
            maxRows: 10_000,
            duration: 30 days,
            policy: POLICY,
            microBits: BITS,
            licenses: LICENSES,
            budget: BUDGET
        });
    }

    function _offer() internal returns (uint256) {
        uint256 dataset = _publish();
        return _offerOn(dataset);
    }

    function _offerOn(uint256 dataset) internal returns (uint256) {
        vm.prank(owner);
        return licenses.createOffer(_terms(dataset), new ILicenseMarket.Share[](0));
    }

    function _license() internal returns (uint256) {
        uint256 offer = _offer();
        vm.prank(buyer);
        return licenses.buy(offer);
    }

    /// @dev Terms that ask `fee` for the usual units, a part of it fixed.
    function _termsFor(uint256 fee, uint256 dice) internal pure returns (uint48 fixedFee, uint48 price) {
        uint256 work = fee == 0 ? 0 : dice % (fee + 1);
        return (uint48(fee - work), uint48(work * 1_000_000 / UNITS));
    }

    function _bond(address provider) internal {
        vm.prank(provider);
        providers.bond(BOND, FIXED, PRICE, CAPACITY);
    }

    /// @dev What a job market does when a job of the usual units ends.
    function _unlock(address provider, uint256 fee) internal {
        address[] memory list = new address[](1);
        uint256[] memory fees = new uint256[](1);
        (list[0], fees[0]) = (provider, fee);
        vm.prank(address(jobs));
        providers.unlock(list, fees, UNITS);
    }

    function _bondFirst(uint256 count) internal {
        for (uint256 i = 0; i < count; ++i) {
            _bond(p[i]);
        }
    }

    function _order(uint256 license, uint8 replicas) internal pure returns (IJobMarket.Order memory) {
        return IJobMarket.Order({
            license: license,
            circuit: CIRCUIT,
            firstRow: 0,
            rows: ROWS,
            sealingKey: KEY,
            units: UNITS,
            replicas: replicas,
            maxFee: MAX_FEE,
            version: 1,
            content: keccak256(abi.encode(MANIFEST, RAW, ROOT, PROFILE))
        });
    }

    function _open(uint256 license, uint8 replicas) internal returns (uint256) {
        vm.prank(buyer);
        return jobs.open(_order(license, replicas));
    }

    function _mine(uint256 blocks) internal {
        vm.roll(block.number + blocks);
    }

    function _draw(uint256 job) internal {
        vm.roll(jobs.get(job).seedBlock + 1);
        jobs.draw(job);
    }

    /// @dev A job whose executors are drawn, among the first `bonded` providers.
    function _assigned(uint8 replicas, uint256 bonded) internal returns (uint256 job) {
        uint256 license = _license();
        _bondFirst(bonded);
        job = _open(license, replicas);
        _draw(job);
    }

    function _executor(uint256 job, uint256 index) internal view returns (address) {
        return jobs.executionsOf(job)[index].provider;
    }

    function _commit(uint256 job, address provider, bytes32 receipt) internal {
        bytes32 commitment = jobs.commitmentFor(job, provider, receipt, SALT);
        vm.prank(provider);
        jobs.commit(job, commitment);
    }

    function _reveal(uint256 job, address provider, bytes32 receipt) internal {
        vm.prank(provider);
        jobs.reveal(job, receipt, SALT);
    }

    /// @dev All executors from `first` on commit to the same receipt and reveal it.
    function _agree(uint256 job, uint256 first, bytes32 receipt) internal {
        uint256 drawn = jobs.get(job).drawn;
        for (uint256 i = first; i < drawn; ++i) {
            _commit(job, _executor(job, i), receipt);
        }
        for (uint256 i = first; i < drawn; ++i) {
            _reveal(job, _executor(job, i), receipt);
        }
    }

    /// @dev Two executors, two digests.
    function _disagree(uint256 job) internal {
        _commit(job, _executor(job, 0), RECEIPT);
        _commit(job, _executor(job, 1), LIE);
        _reveal(job, _executor(job, 0), RECEIPT);
        _reveal(job, _executor(job, 1), LIE);
    }

    function _computed() internal returns (uint256 job) {
        job = _assigned(2, 3);
        _agree(job, 0, RECEIPT);
    }

    function _head(uint256 job) internal view returns (bytes32) {
        return jobs.decisionHead(jobs.get(job).dataset);
    }

    function _release(uint256 job) internal {
        _releaseAs(custodian, job);
    }

    function _releaseAs(address caller, uint256 job) internal {
        bytes32 head = _head(job);
        vm.prank(caller);
        jobs.release(job, SEALED, DECISION, head);
    }

    /// @dev As the first answer on its dataset: a single call, for tests that expect how it ends.
    function _releaseFirst(uint256 job) internal {
        vm.prank(custodian);
        jobs.release(job, SEALED, DECISION, HEAD);
    }

    function _refuse(uint256 job) internal {
        bytes32 head = _head(job);
        vm.prank(custodian);
        jobs.refuse(job, REASON, DECISION, head);
    }

    function _contest(uint256 job) internal {
        vm.prank(custodian);
        jobs.contest(job);
    }

    function _passDeadline(uint256 job) internal {
        vm.warp(jobs.get(job).deadline + 1);
    }

    function _state(uint256 job) internal view returns (uint256) {
        return uint256(jobs.get(job).state);
    }

    function _bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + value % (high - low + 1);
    }

    /// @dev The buyer's EIP-2612 signature for `spender`.
    function _signPermit(address spender, uint256 value, uint256 deadline)
        internal
        returns (uint8 v, bytes32 r, bytes32 s)
    {
        bytes32 typehash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 body = keccak256(abi.encode(typehash, buyer, spender, value, usd.nonces(buyer), deadline));
        return vm.sign(BUYER_KEY, keccak256(abi.encodePacked("\x19\x01", usd.DOMAIN_SEPARATOR(), body)));
    }
}
