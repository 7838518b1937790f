// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../interfaces/IDisputes.sol";
import {IJobMarket} from "../interfaces/IJobMarket.sol";

/// @title Disputes from their opening to their end, whatever is played in between
/// @notice One player is to move at a time, and who lets its deadline pass loses. The money is the job market's.
/// @dev A dispute costs one word of storage: the digest of its state, which every move brings along. What never changes
///      has a digest of its own in it, so that a move that does not need it brings 32 bytes in its place.
abstract contract Court is IDisputes {
    /// @notice Most moves of one dispute.
    uint256 public constant MOST_MOVES = 28;

    /// @inheritdoc IDisputes
    address public immutable jobMarket;
    /// @inheritdoc IDisputes
    uint256 public immutable leastBond;
    /// @inheritdoc IDisputes
    uint256 public immutable moveWindow;

    /// @inheritdoc IDisputes
    uint256 public disputeCount;
    /// @inheritdoc IDisputes
    mapping(uint256 dispute => bytes32) public digestOf;

    constructor(address jobMarket_, uint256 leastBond_, uint256 moveWindow_) {
        if (leastBond_ == 0 || moveWindow_ == 0 || moveWindow_ > type(uint16).max) revert BadGame();
        jobMarket = jobMarket_;
        leastBond = leastBond_;
        moveWindow = moveWindow_;
    }

    /// @inheritdoc IDisputes
    function open(uint256 job, uint256 index, uint64 value, uint256 mostBond) external returns (uint256 dispute) {
        dispute = ++disputeCount;
        Dispute memory state;
        (state.executor, state.receipt, state.order, state.bond) =
            IJobMarket(jobMarket).suspend(job, index, msg.sender, leastBond, mostBond);
        (state.job, state.index, state.value, state.challenger) = (job, uint8(index), value, msg.sender);
        _keep(dispute, state, Phase.ANSWER);
        emit DisputeOpened(dispute, job, state.executor, state);
    }

    /// @inheritdoc IDisputes
    function expire(uint256 dispute, Dispute calldata state) external {
        _check(dispute, state);
        if (block.timestamp <= state.deadline) revert MoveNotLate(dispute, state.deadline);
        bool executors = state.phase == Phase.ANSWER || state.phase == Phase.SHOW;
        _end(dispute, state, executors ? Verdict.CONVICTED : Verdict.CLEARED);
    }

    /// @inheritdoc IDisputes
    function longestGame() external view returns (uint256) {
        return MOST_MOVES * moveWindow;
    }

    /// @dev Reverts unless the caller has this move, in time.
    function _turn(uint256 dispute, Dispute memory state, Phase phase, address player) internal view {
        _check(dispute, state);
        if (state.phase != phase) revert WrongPhase(dispute, state.phase);
        _inTime(dispute, player, state.deadline);
    }

    /// @dev Stores what the next move starts from.
    function _keep(uint256 dispute, Dispute memory state, Phase next) internal {
        state.phase = next;
        state.deadline = uint40(block.timestamp + moveWindow);
        digestOf[dispute] = _digest(_position(state), state.claim);
    }

    function _position(Dispute memory state) internal pure returns (Position memory position) {
        position.matter = keccak256(abi.encode(state.index, state.bond, state.receipt, state.order, state.value));
        (position.job, position.executor, position.challenger) = (state.job, state.executor, state.challenger);
        (position.phase, position.deadline) = (state.phase, state.deadline);
    }

    function _end(uint256 dispute, Dispute memory state, Verdict verdict) internal {
        delete digestOf[dispute];
        emit DisputeEnded(dispute, state.job, state.executor, state.challenger, verdict);
        IJobMarket(jobMarket).resume(state.job, state.index, state.executor, state.challenger, state.bond, verdict);
    }

    function _check(uint256 dispute, Dispute memory state) private view {
        if (digestOf[dispute] != _digest(_position(state), state.claim)) revert WrongDispute(dispute);
    }

    function _inTime(uint256 dispute, address player, uint256 deadline) internal view {
        if (msg.sender != player) revert NotYourMove(dispute, msg.sender);
        if (block.timestamp > deadline) revert MoveTooLate(dispute, deadline);
    }

    function _digest(Position memory position, bytes32 claim) internal pure returns (bytes32) {
        return keccak256(abi.encode(position, claim));
    }
}
