// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IJobMarket} from "./interfaces/IJobMarket.sol";

/// @title How jobs are kept: three words a job, two an execution
/// @dev Executors are numbered in the order they were drawn; `committed`, `revealed` and `out` have a bit for each. An
///      execution's `digest` is its commitment until it reveals, then its receipt. Numbers of jobs, licenses, offers,
///      datasets and seats count up from one at some 10^5 gas each, and block numbers by one a block: none of them
///      reaches 2^32, so casts to these widths lose nothing.
abstract contract JobStore is IJobMarket {
    struct Stored {
        address buyer;
        State state;
        uint8 replicas;
        uint8 drawn;
        /// @dev Of the present state; in a terminal state the number of the block that closed the job.
        uint40 deadline;
        uint16 committed;
        uint16 revealed;
        uint96 price;
        uint96 maxFee;
        uint64 units;
        uint32 license;
        uint32 dataset;
        uint32 offer;
        uint32 seedBlock;
        uint32 openedBlock;
        uint32 rows;
        uint32 seats;
        uint8 round;
        uint16 out;
        Approval approval;
    }

    struct StoredExecution {
        address provider;
        uint96 fee;
        bytes32 digest;
    }

    /// @inheritdoc IJobMarket
    /// @dev Shares a word with the guardian's two times, which opening a job reads anyway.
    uint64 public jobCount;

    mapping(uint256 job => Stored) internal _jobs;
    mapping(uint256 job => mapping(uint256 index => StoredExecution)) internal _executions;
    /// @dev Slashed stakes that wait for the job's outcome; only ever set on jobs where somebody was silent.
    mapping(uint256 job => uint256) internal _pot;

    /// @inheritdoc IJobMarket
    function get(uint256 job) external view returns (Job memory) {
        Stored storage stored = _jobs[job];
        if (stored.state == State.NONE) revert NoSuchJob(job);
        bool closed = _terminal(stored.state);
        (bytes32 best, uint256 equal) = _leading(job, stored);
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
            receipt: equal == stored.replicas ? best : bytes32(0),
            pot: _pot[job],
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

    /// @dev The digest that most executors revealed, and how many did. The first of equally frequent ones.
    function _leading(uint256 job, Stored storage stored) internal view returns (bytes32 best, uint256 equal) {
        uint256 drawn = stored.drawn;
        uint256 revealed = stored.revealed;
        for (uint256 i = 0; i < drawn; ++i) {
            if (!_has(revealed, i)) continue;
            bytes32 digest = _executions[job][i].digest;
            uint256 same = 1;
            for (uint256 j = i + 1; j < drawn; ++j) {
                if (_has(revealed, j) && _executions[job][j].digest == digest) ++same;
            }
            if (same > equal) (best, equal) = (digest, same);
        }
    }

    /// @dev Executors still needed if all who committed agree with the leading digest: drawing no more than these keeps
    ///      the number of winners at `replicas`, and so the fees within the escrow.
    function _missing(uint256 job, Stored storage stored) internal view returns (uint256) {
        (, uint256 equal) = _leading(job, stored);
        uint256 hidden = stored.committed & ~(stored.revealed | stored.out);
        for (; hidden > 0; hidden &= hidden - 1) {
            ++equal;
        }
        return stored.replicas - equal;
    }

    /// @dev What the executors of the leading digest earned.
    function _feesPaid(uint256 job, Stored storage stored) internal view returns (uint256 total) {
        (bytes32 receipt,) = _leading(job, stored);
        for (uint256 i = 0; i < stored.drawn; ++i) {
            if (_has(stored.revealed, i) && _executions[job][i].digest == receipt) total += _executions[job][i].fee;
        }
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

    function _checkOpen(uint256 job, Stored storage stored) internal view {
        if (block.timestamp > stored.deadline) revert DeadlinePassed(job, stored.deadline);
    }

    function _allCommitted(Stored storage stored) internal view returns (bool) {
        return stored.committed | stored.out == (1 << stored.drawn) - 1;
    }

    function _allRevealed(Stored storage stored) internal view returns (bool) {
        return stored.revealed | stored.out == (1 << stored.drawn) - 1;
    }

    function _terminal(State state) internal pure returns (bool) {
        return state >= State.SETTLED;
    }

    function _has(uint256 mask, uint256 index) internal pure returns (bool) {
        return mask >> index & 1 == 1;
    }
}
