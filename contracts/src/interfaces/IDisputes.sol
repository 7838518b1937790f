// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Games that decide whether an executor's receipt is false: docs/trace.md, section 7
/// @notice A dispute's state is not stored but its digest, so each move brings the state that the last event gave.
interface IDisputes {
    /// @dev NONE is a dispute that is not there, or over.
    enum Phase {
        NONE,
        /// The executor shows its receipt, the output value, and what the value is a sum of.
        ANSWER,
        /// The challenger judges: of what is shown, it shows the word that does not follow.
        JUDGE,
        /// The executor shows totals between two that are there.
        SHOW,
        /// The challenger names two neighbours of which the first is right and the second is not.
        NARROW
    }

    /// @notice How a dispute ends for the executor.
    enum Verdict {
        NONE,
        /// Its receipt is false.
        CONVICTED,
        /// It showed what the challenger could not refute.
        CLEARED,
        /// It was convicted in another dispute before: nothing is left to decide.
        MOOT
    }

    /// @param index the executor's place among the job's
    /// @param deadline of the next move; whoever lets it pass loses
    /// @param bond what the challenger put down
    /// @param receipt the digest that the executor revealed
    /// @param order what the job was ordered as: `IJobMarket.orderDigest`
    /// @param value number of the output value that is said to be wrong: row * outputs + output
    /// @param claim digest of what the executor showed so far, which the next move brings again
    struct Dispute {
        uint256 job;
        uint8 index;
        Phase phase;
        uint40 deadline;
        address executor;
        address challenger;
        uint256 bond;
        bytes32 receipt;
        bytes32 order;
        uint64 value;
        bytes32 claim;
    }

    /// @notice What a move must know of a dispute that it does not end.
    /// @param matter keccak256(abi.encode(index, bond, receipt, order, value)), as in `Dispute`
    struct Position {
        uint256 job;
        bytes32 matter;
        address executor;
        address challenger;
        Phase phase;
        uint40 deadline;
    }

    event DisputeOpened(uint256 indexed dispute, uint256 indexed job, address indexed executor, Dispute state);
    event DisputeEnded(
        uint256 indexed dispute, uint256 indexed job, address indexed executor, address challenger, Verdict verdict
    );

    error WrongDispute(uint256 dispute);
    error WrongPhase(uint256 dispute, Phase phase);
    error NotYourMove(uint256 dispute, address caller);
    error MoveTooLate(uint256 dispute, uint256 deadline);
    error MoveNotLate(uint256 dispute, uint256 deadline);
    error BadGame();

    /// @notice Say that one value of what an executor revealed is wrong. Takes the bond, out of the allowance to
    ///         JobMarket; the caller becomes the challenger.
    /// @param mostBond what the bond may be at most: it grows with the disputes that the job has at the time
    function open(uint256 job, uint256 index, uint64 value, uint256 mostBond) external returns (uint256 dispute);

    /// @notice End a dispute whose present player has let its deadline pass. Anyone may call.
    function expire(uint256 dispute, Dispute calldata state) external;

    /// @notice keccak256(abi.encode(position, claim)) of a running dispute; zero for one that is not there or over.
    function digestOf(uint256 dispute) external view returns (bytes32);

    function disputeCount() external view returns (uint256);

    function jobMarket() external view returns (address);

    /// @notice The bond of the only dispute of a job; that of the k-th at a time is k times as much.
    function leastBond() external view returns (uint256);

    /// @notice Seconds for each move.
    function moveWindow() external view returns (uint256);

    /// @notice Most seconds from a dispute's opening to its end, as long as somebody calls `expire`.
    function longestGame() external view returns (uint256);
}
