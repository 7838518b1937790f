// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Wired} from "./Wired.sol";

/// @title What a custodian answers with: a bond for each dataset, and one chain of decisions
/// @notice The bond holds, for every open job, the fees that its buyer would lose by the custodian's silence. Each
///         answer names the one before it, so that of two ledgers, or of one restored from yesterday, only one can
///         answer.
abstract contract Custody is Wired {
    using SafeCast for uint256;

    struct Bond {
        uint96 amount;
        uint96 held;
    }

    /// @notice A dataset's last answer: keccak256(abi.encode(head before, job, decision)), zero before the first.
    mapping(uint256 dataset => bytes32) public decisionHead;
    mapping(uint256 dataset => Bond) private _bonds;

    /// @notice Add to a dataset's custodian bond. Anyone may; it is the custodian's and the holder's to take back.
    function bondCustodian(uint256 dataset, uint256 amount) external nonReentrant {
        datasets.parties(dataset); // reverts for a dataset that does not exist
        Bond storage bond = _bonds[dataset];
        bond.amount = (bond.amount + amount).toUint96();
        emit CustodianBonded(dataset, msg.sender, amount);
        _pull(amount);
    }

    /// @notice Take back what no open job holds, as a claim of the caller's: the dataset's custodian or its holder.
    function unbondCustodian(uint256 dataset, uint256 amount) external {
        (address owner, address custodian) = datasets.parties(dataset);
        if (msg.sender != owner && msg.sender != custodian) revert NotParty(dataset, msg.sender);
        Bond storage bond = _bonds[dataset];
        _checkFree(dataset, bond.amount - bond.held, amount);
        bond.amount -= uint96(amount);
        _credit(msg.sender, amount);
        emit CustodianUnbonded(dataset, msg.sender, amount);
    }

    /// @notice What answers for a custodian's silence, and the part that open jobs hold.
    function custodyOf(uint256 dataset) external view returns (uint256 bond, uint256 held) {
        return (_bonds[dataset].amount, _bonds[dataset].held);
    }

    /// @dev The opening holds all fees that may be lost; a contest, what the executors that it calls may cost.
    function _hold(uint256 dataset, uint256 amount) internal {
        if (amount == 0) return;
        Bond storage bond = _bonds[dataset];
        uint256 held = bond.held;
        _checkFree(dataset, bond.amount - held, amount);
        bond.held = uint96(held + amount);
    }

    /// @dev Ends a job's hold and takes what the custodian owes, which is never more than was held.
    function _unhold(uint256 job, Stored storage stored, uint256 owed) internal {
        uint256 amount = stored.maxFee;
        if (amount == 0) return;
        if (stored.contestedFrom != 0) amount += _contestHold(stored);
        Bond storage bond = _bonds[stored.dataset];
        bond.held -= uint96(amount);
        if (owed == 0) return;
        bond.amount -= uint96(owed);
        emit CustodianPenalized(job, stored.dataset, owed);
    }

    /// @dev What a liar's stake adds to the bond that its lie made the custodian hold for a contest.
    function _bondMore(uint256 dataset, uint256 amount) internal {
        _bonds[dataset].amount += uint96(amount);
        emit CustodianBonded(dataset, address(this), amount);
    }

    function _contestHold(Stored storage stored) internal view returns (uint256) {
        uint256 replicas = stored.replicas;
        return (replicas + 1) * (stored.maxFee / replicas);
    }

    /// @dev The job that the custodian, in time, answers for.
    function _asked(uint256 job) internal view returns (Stored storage stored) {
        stored = _inState(job, State.COMPUTED);
        _checkRunning(job, stored);
        _checkOpen(job, stored);
        (, address custodian) = datasets.parties(stored.dataset);
        if (custodian != msg.sender) revert NotCustodian(job, msg.sender);
    }

    /// @dev The same, with the next decision of the dataset's chain.
    function _answered(uint256 job, bytes32 decision, bytes32 head) internal returns (Stored storage stored) {
        stored = _asked(job);
        if (decision == bytes32(0)) revert ZeroDigest();
        uint256 dataset = stored.dataset;
        bytes32 present = decisionHead[dataset];
        if (head != present) revert StaleHead(dataset, present);
        decisionHead[dataset] = keccak256(abi.encode(head, job, decision));
    }

    function _checkFree(uint256 dataset, uint256 free, uint256 needed) private pure {
        if (free < needed) revert CustodianNotBonded(dataset, free, needed);
    }
}
