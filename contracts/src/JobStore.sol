// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Guarded} from "./Guarded.sol";
import {IJobMarket} from "./interfaces/IJobMarket.sol";

/// @title How jobs are kept: three words a job, two an execution
/// @dev Executors are numbered in the order they were drawn; `committed`, `revealed` and `out` have a bit for each. An
///      execution's `digest` is its commitment until it reveals, then its receipt. Numbers of jobs, licenses, offers,
///      datasets and seats count up from one at some 10^5 gas each, and block numbers by one a block: none of them
///      reaches 2^32, so casts to these widths lose nothing.
abstract contract JobStore is Guarded, IJobMarket {
    struct Stored {
        address buyer;
        State state;
        uint8 drawn;
        /// @dev Of the present state, good until 2106; in a terminal state the number of the block that closed the job.
        uint32 deadline;
        uint16 committed;
        uint16 revealed;
        uint16 out;
        uint88 price;
        uint80 maxFee;
        uint64 units;
        Approval approval;
        uint8 round;
        /// @dev Calls that looked at all their seats without finding enough, since the draw was armed.
        uint8 batches;
        uint32 license;
        uint32 dataset;
        uint32 offer;
        uint32 seedBlock;
        uint32 openedBlock;
        uint32 rows;
        /// @dev From COMPUTED on, after a dispute: the end of the time in which others may be opened.
        uint32 seats;
        uint8 replicas;
        uint8 contestedFrom;
        /// @dev Disputes that are running: while there are any, the job stands still.
        uint8 disputes;
        uint8 heard;
    }

    struct StoredExecution {
        address provider;
        uint96 fee;
        bytes32 digest;
    }

    /// @inheritdoc IJobMarket
    /// @dev Shares a word with the guardian's two times, which opening a job reads anyway.
    uint64 public jobCount;

    /// @dev In `heard`: a dispute has ended since the job entered its state; an executor was convicted.
    uint8 internal constant HEARD = 1;
    uint8 internal constant CONVICTED = 2;

    /// @inheritdoc IJobMarket
    mapping(uint256 job => bytes32) public orderDigest;

    mapping(uint256 job => Stored) internal _jobs;
    mapping(uint256 job => mapping(uint256 index => StoredExecution)) internal _executions;

    /// @inheritdoc IJobMarket
    function get(uint256 job) external view returns (Job memory) {
        Stored storage stored = _jobs[job];
        if (stored.state == State.NONE) revert NoSuchJob(job);
        bool closed = _terminal(stored.state);
        return Job({
            license: stored.license,
            dataset: stored.dataset,
            buyer: stored.buyer,
            state: stored.state,
            units: stored.units,
            rows: stored.rows,
            replicas: stored.replicas,
            drawn: stored.drawn,
            round: stored.round,
            price: stored.price,
            maxFee: stored.maxFee,
            deadline: closed ? 0 : stored.deadline,
            seedBlock: stored.seedBlock,
            openedBlock: stored.openedBlock,
            closedBlock: closed ? stored.deadline : 0,
            revealing: stored.state == State.ASSIGNED && _allCommitted(stored),
            receipt: _receipt(job, stored),
            contestedFrom: stored.contestedFrom,
            approval: stored.approval
        });
    }

    /// @inheritdoc IJobMarket
    function executionsOf(uint256 job) external view returns (Execution[] memory list) {
        Stored storage stored = _jobs[job];
        list = new Execution[](stored.drawn);
        for (uint256 i = 0; i < list.length; ++i) {
            StoredExecution storage execution = _executions[job][i];
            bool shown = _has(stored.revealed, i);
            list[i] = Execution({
                provider: execution.provider,
                fee: execution.fee,
                commitment: shown ? bytes32(0) : execution.digest,
                receipt: shown ? execution.digest : bytes32(0),
                out: _has(stored.out, i)
            });
        }
    }

    /// @inheritdoc IJobMarket
    function commitmentFor(uint256 job, address provider, bytes32 receipt, bytes32 salt) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), job, provider, receipt, salt));
    }

    /// @dev Of the first `end` executors: the digest that most revealed, and how many did. The first of equally
    ///      frequent ones.
    function _leading(uint256 job, Stored storage stored, uint256 end)
        internal
        view
        returns (bytes32 best, uint256 equal)
    {
        uint256 revealed = stored.revealed;
        for (uint256 i = 0; i < end; ++i) {
            if (!_has(revealed, i)) continue;
            bytes32 digest = _executions[job][i].digest;
            uint256 same = 1;
            for (uint256 j = i + 1; j < end; ++j) {
                if (_has(revealed, j) && _executions[job][j].digest == digest) ++same;
            }
            if (same > equal) (best, equal) = (digest, same);
        }
    }

    /// @dev Which of the first `end` executors revealed `digest`.
    function _agreeing(uint256 job, Stored storage stored, bytes32 digest, uint256 end)
        internal
        view
        returns (uint256 mask)
    {
        for (uint256 i = 0; i < end; ++i) {
            if (_has(stored.revealed, i) && _executions[job][i].digest == digest) mask |= 1 << i;
        }
    }

    /// @dev How many equal digests decide: those that the buyer asked for; in a contest the majority of these and as
    ///      many others and one.
    function _quorum(Stored storage stored) internal view returns (uint256) {
        return stored.contestedFrom == 0 ? stored.replicas : stored.replicas + 1;
    }

    /// @dev Executors still needed if all who have not revealed agree with the leading digest: without a contest,
    ///      drawing no more than these keeps the number of winners at `replicas`, and so the fees within the escrow. A
    ///      contest hears at least `replicas + 1` others, whoever of them leaves.
    function _missing(uint256 job, Stored storage stored) internal view returns (uint256 missing) {
        uint256 drawn = stored.drawn;
        (, uint256 have) = _leading(job, stored, drawn);
        uint256 out = stored.out;
        have += _count(((1 << drawn) - 1) & ~(stored.revealed | out));
        uint256 quorum = _quorum(stored);
        if (have < quorum) missing = quorum - have;
        uint256 from = stored.contestedFrom;
        if (from == 0) return missing;
        uint256 others = _count((((1 << drawn) - 1) & ~out) >> from);
        if (others + missing < quorum) missing = quorum - others;
    }

    /// @dev How the executors' work is judged in the end: who gets a fee, and whether others overturned the first
    ///      result. A contest that ended undecided leaves the first result, and the others with nothing to blame them
    ///      for.
    function _outcome(uint256 job, Stored storage stored)
        internal
        view
        returns (bytes32 receipt, uint256 winners, bool overturned)
    {
        uint256 from = stored.contestedFrom;
        uint256 drawn = stored.drawn;
        uint256 equal;
        (receipt, equal) = _leading(job, stored, drawn);
        if (from == 0) return (receipt, _agreeing(job, stored, receipt, drawn), false);
        (bytes32 first,) = _leading(job, stored, from);
        // All who gave the first result were convicted: what is left of the others is the result.
        if (first == 0) return (receipt, _agreeing(job, stored, receipt, drawn), true);
        if (equal < _quorum(stored)) {
            winners = uint256(stored.revealed) >> from << from | _agreeing(job, stored, first, from);
            return (first, winners, false);
        }
        return (receipt, _agreeing(job, stored, receipt, drawn), receipt != first);
    }

    function _receipt(uint256 job, Stored storage stored) private view returns (bytes32 receipt) {
        if (stored.contestedFrom != 0) {
            if (stored.state < State.COMPUTED) return bytes32(0);
            (receipt,,) = _outcome(job, stored);
            return receipt;
        }
        uint256 equal;
        (receipt, equal) = _leading(job, stored, stored.drawn);
        // After a conviction fewer are enough: one honest executor is.
        bool judged = stored.heard & CONVICTED != 0 && stored.state >= State.COMPUTED && stored.state != State.FAILED;
        if (equal < stored.replicas && !judged) return bytes32(0);
    }

    /// @dev Place of an executor that is still in the job.
    function _indexOf(uint256 job, Stored storage stored, address provider) internal view returns (uint256) {
        uint256 drawn = stored.drawn;
        for (uint256 i = 0; i < drawn; ++i) {
            if (_executions[job][i].provider == provider && !_has(stored.out, i)) return i;
        }
        revert NotAnExecutor(job, provider);
    }

    function _inState(uint256 job, State state) internal view returns (Stored storage stored) {
        stored = _jobs[job];
        if (stored.state != state) revert WrongState(job, stored.state);
    }

    function _checkRunning(uint256 job, Stored storage stored) internal view {
        if (stored.disputes != 0) revert JobSuspended(job);
    }

    function _checkOpen(uint256 job, Stored storage stored) internal view {
        if (block.timestamp > stored.deadline) revert DeadlinePassed(job, stored.deadline);
    }

    function _allCommitted(Stored storage stored) internal view returns (bool) {
        return stored.committed | stored.out == (1 << stored.drawn) - 1;
    }

    function _allRevealed(Stored storage stored) internal view returns (bool) {
        return stored.revealed | stored.out == (1 << stored.drawn) - 1;
    }

    function _enter(Stored storage stored, State state, uint256 window) internal {
        uint32 deadline = uint32(block.timestamp + window);
        stored.state = state;
        stored.deadline = deadline;
        if (stored.heard & HEARD != 0) stored.heard &= ~HEARD;
    }

    function _close(Stored storage stored, State state) internal {
        stored.state = state;
        stored.deadline = uint32(block.number);
    }

    function _terminal(State state) internal pure returns (bool) {
        return state >= State.SETTLED;
    }

    function _has(uint256 mask, uint256 index) internal pure returns (bool) {
        return mask >> index & 1 == 1;
    }

    function _count(uint256 mask) internal pure returns (uint256 bits) {
        for (; mask > 0; mask &= mask - 1) {
            ++bits;
        }
    }
}
