// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IJobMarket} from "../src/interfaces/IJobMarket.sol";
import {ILicenseMarket} from "../src/interfaces/ILicenseMarket.sol";
import {World} from "./World.sol";

/// @title Every job ends and every coin comes out
contract JobLivenessTest is World {
    function setUp() public {
        _deploy();
    }

    function test_contract_wallets_can_be_anybody() public {
        Wallet[5] memory w;
        for (uint256 i = 0; i < 5; ++i) {
            w[i] = new Wallet();
            _fund(address(w[i]));
        }
        (owner, custodian, buyer) = (address(w[0]), address(w[1]), address(w[2]));
        w[0].run(address(datasets), abi.encodeCall(datasets.publish, (MANIFEST, RAW, ROOT, PROFILE, ROWS, custodian)));
        w[0].run(address(jobs), abi.encodeCall(jobs.bondCustodian, (1, CUSTODY)));
        w[0].run(address(licenses), abi.encodeCall(licenses.createOffer, (_terms(1), new ILicenseMarket.Share[](0))));
        w[2].run(address(licenses), abi.encodeCall(licenses.buy, (1)));
        for (uint256 i = 3; i < 5; ++i) {
            w[i].run(address(providers), abi.encodeCall(providers.bond, (BOND, FIXED, PRICE, UNITS)));
        }
        w[2].run(address(jobs), abi.encodeCall(jobs.open, (_order(1, 2))));
        _draw(1);
        for (uint256 i = 3; i < 5; ++i) {
            bytes32 commitment = jobs.commitmentFor(1, address(w[i]), RECEIPT, SALT);
            w[i].run(address(jobs), abi.encodeCall(jobs.commit, (1, commitment)));
        }
        for (uint256 i = 3; i < 5; ++i) {
            w[i].run(address(jobs), abi.encodeCall(jobs.reveal, (1, RECEIPT, SALT)));
        }
        w[1].run(address(jobs), abi.encodeCall(jobs.release, (1, SEALED, DECISION, HEAD)));
        jobs.collect(1);
        w[1].run(address(jobs), abi.encodeCall(jobs.unbondCustodian, (1, CUSTODY)));
        for (uint256 i = 0; i < 5; ++i) {
            w[i].run(address(jobs), abi.encodeCall(jobs.withdraw, ()));
        }
        vm.assertEq(_state(1), 6);
        vm.assertEq(usd.balanceOf(address(jobs)), 0);
    }

    function testFuzz_whoever_stays_silent_every_job_ends_and_every_coin_comes_out(uint256 dice) public {
        _bondFirst(5);
        uint256 license = _license();
        uint256 job = _open(license, uint8(_bound(dice, 1, 3)));
        uint256 start = block.timestamp;
        for (uint256 step = 0; step < 80 && _state(job) < 6; ++step) {
            dice = uint256(keccak256(abi.encode(dice)));
            _randomStep(job, dice);
        }
        vm.assertTrue(_state(job) >= 6, "the job ended");
        vm.assertLe(block.timestamp - start, jobs.longestLife() + 26);
        _withdrawAll();
        vm.assertEq(usd.balanceOf(address(jobs)), 0);
        uint256 bonds = 0;
        for (uint256 i = 0; i < 5; ++i) {
            bonds += providers.get(p[i]).bond;
            vm.assertEq(providers.get(p[i]).locked, 0);
        }
        vm.assertEq(usd.balanceOf(address(providers)), bonds + providers.burned());
    }

    /// @dev In each state whoever is asked acts, lies, or stays silent until the deadline.
    function _randomStep(uint256 job, uint256 dice) private {
        uint256 state = _state(job);
        bool silent = dice % 4 == 0;
        if (silent) {
            _passDeadline(job);
            jobs.expire(job);
        } else if (state == 1 || state == 3) {
            vm.roll(jobs.get(job).seedBlock + 1);
            try jobs.draw(job) {}
            catch {
                _passDeadline(job);
                jobs.expire(job);
            }
        } else if (state == 2) {
            _randomWork(job, dice);
        } else {
            bool doubt = dice % 5 == 0 && jobs.get(job).contestedFrom == 0;
            vm.prank(custodian);
            if (doubt) jobs.contest(job);
            else if (dice % 3 == 0) jobs.refuse(job, REASON, DECISION, HEAD);
            else jobs.release(job, SEALED, DECISION, HEAD);
        }
    }

    function _randomWork(uint256 job, uint256 dice) private {
        bool revealing = jobs.get(job).revealing;
        IJobMarket.Execution[] memory list = jobs.executionsOf(job);
        uint256 start = dice % list.length;
        for (uint256 k = 0; k < list.length; ++k) {
            IJobMarket.Execution memory e = list[(start + k) % list.length];
            if (e.out || e.receipt != 0) continue;
            bytes32 claim = uint160(e.provider) % 3 == 0 ? LIE : RECEIPT;
            if (revealing) return _reveal(job, e.provider, claim);
            if (e.commitment != 0) continue;
            if (dice % 5 > 0) return _commit(job, e.provider, claim);
            vm.prank(e.provider);
            return jobs.decline(job);
        }
    }

    function _withdrawAll() private {
        try jobs.collect(1) {} catch {}
        (uint256 bond, uint256 held) = jobs.custodyOf(1);
        vm.assertEq(held, 0);
        vm.prank(custodian);
        jobs.unbondCustodian(1, bond);
        address[8] memory all = [owner, buyer, custodian, p[0], p[1], p[2], p[3], p[4]];
        for (uint256 i = 0; i < all.length; ++i) {
            if (jobs.claimable(all[i]) == 0) continue;
            vm.prank(all[i]);
            jobs.withdraw();
        }
    }
}

/// @dev A wallet that is a contract: no key, no hook for tokens it receives.
contract Wallet {
    function run(address target, bytes calldata data) external {
        (bool ok,) = target.call(data);
        require(ok);
    }
}
