// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Contest} from "./Contest.sol";
import {IDisputes} from "./interfaces/IDisputes.sol";
import {IJobMarket} from "./interfaces/IJobMarket.sol";

/// @title What disputes do to a job: its clock stands still, liars leave it, bonds and stakes are paid
/// @notice Each receipt that was revealed may be disputed until the custodian's answer, or the next draw, is due. Who is
///         convicted loses its stake: first to the challenger, as much as it put down, then to those whom the lie made
///         wait or pay. A bond that is lost goes half to the executor that had to answer and half to nobody, so that
///         a dispute with oneself costs money.
abstract contract Hearings is Contest {
    /// @inheritdoc IJobMarket
    uint256 public burned;

    modifier onlyDisputes() {
        if (msg.sender != address(disputes)) revert NotDisputes(msg.sender);
        _;
    }

    /// @inheritdoc IJobMarket
    /// @dev The k-th dispute at a time takes k bonds: all places of a job are dear to fill, and one is cheap to take.
    function suspend(uint256 job, uint256 index, address challenger, uint256 leastBond, uint256 mostBond)
        external
        onlyDisputes
        nonReentrant
        returns (address executor, bytes32 receipt, bytes32 order, uint256 bond)
    {
        Stored storage stored = _jobs[job];
        State state = stored.state;
        if (state != State.COMPUTED && state != State.DISPUTED) revert WrongState(job, state);
        uint256 until = _disputableUntil(stored);
        if (block.timestamp > until) revert DeadlinePassed(job, until);
        order = orderDigest[job];
        if (order == bytes32(0) || !_has(stored.revealed, index)) revert NotDisputable(job, index);
        uint256 running = uint256(stored.disputes) + 1;
        if (running > type(uint8).max) revert TooManyDisputes(job);
        stored.disputes = uint8(running);
        bond = leastBond * running;
        if (bond > mostBond) revert BondTooLarge(bond, mostBond);
        StoredExecution storage execution = _executions[job][index];
        (executor, receipt) = (execution.provider, execution.digest);
        _pullFrom(challenger, bond);
    }

    /// @inheritdoc IJobMarket
    function resume(
        uint256 job,
        uint256 index,
        address executor,
        address challenger,
        uint256 bond,
        IDisputes.Verdict verdict
    ) external onlyDisputes nonReentrant {
        Stored storage stored = _jobs[job];
        uint256 left = stored.disputes - 1;
        stored.disputes = uint8(left);
        if (verdict == IDisputes.Verdict.CLEARED) {
            _credit(executor, bond / 2);
            burned += bond - bond / 2;
        } else if (verdict == IDisputes.Verdict.CONVICTED && _has(stored.revealed, index)) {
            _credit(challenger, bond + _convict(job, stored, index, bond));
        } else {
            _credit(challenger, bond);
        }
        if (left == 0) _goOn(job, stored);
    }

    /// @inheritdoc IJobMarket
    function disputesOf(uint256 job) external view returns (uint256 running, uint256 until) {
        Stored storage stored = _jobs[job];
        if (orderDigest[job] == bytes32(0)) return (0, 0);
        if (stored.state != State.COMPUTED && stored.state != State.DISPUTED) return (0, 0);
        return (stored.disputes, _disputableUntil(stored));
    }

    /// @dev The time for disputes is not begun anew by one that ends: nobody can prolong a job with disputes in a row.
    function _disputableUntil(Stored storage stored) private view returns (uint256) {
        if (stored.heard & HEARD == 0) return stored.deadline;
        return stored.state == State.COMPUTED ? stored.seats : 0;
    }

    /// @dev Takes a liar's stake and its part in the job. A contest that a conviction proves right is paid for, too.
    function _convict(uint256 job, Stored storage stored, uint256 index, uint256 reward)
        private
        returns (uint256 rewarded)
    {
        stored.revealed &= uint16(~(1 << index));
        stored.out |= uint16(1 << index);
        stored.heard |= CONVICTED;
        _executions[job][index].digest = bytes32(0);
        uint256 part = stored.maxFee / stored.replicas;
        uint256 contested = stored.contestedFrom > index ? _contestHold(stored) / stored.replicas : 0;
        uint256 paid = _slash(job, stored, index, false, reward + contested + part);
        rewarded = Math.min(paid, reward);
        paid -= rewarded;
        contested = Math.min(paid, contested);
        if (contested > 0) _bondMore(stored.dataset, contested);
        _refund(job, stored.buyer, paid - contested);
    }

    /// @dev The last dispute is over: what is left is the result, or others are drawn.
    function _goOn(uint256 job, Stored storage stored) private {
        bool convicted = stored.heard & CONVICTED != 0;
        if (stored.state == State.COMPUTED) {
            (bytes32 receipt,,) = _outcome(job, stored);
            if (receipt == bytes32(0)) return _redraw(job, stored);
            uint32 until = uint32(_disputableUntil(stored));
            _computed(job, stored, receipt);
            stored.seats = until;
        } else {
            (bytes32 best, uint256 equal) = _leading(job, stored, stored.drawn);
            bool settled = convicted && stored.contestedFrom == 0 && best != bytes32(0);
            if (settled && equal == _count(stored.revealed)) return _computed(job, stored, best);
            if (convicted) return _redraw(job, stored);
            _enter(stored, State.DISPUTED, drawWindow);
            emit JobDisputed(job, stored.round, _arm(stored));
        }
        stored.heard |= HEARD;
    }
}
