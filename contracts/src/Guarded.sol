// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A guardian that can pause new jobs for a while, and nothing else
/// @notice Meant for the hours after a flaw is found. It stops money from coming in; it cannot stop any job under way,
///         any refund or any withdrawal, and after each pause it must leave the market open for longer than it can
///         pause it.
abstract contract Guarded {
    /// @notice Longest pause, in seconds.
    uint256 public constant MAX_PAUSE = 7 days;
    /// @notice Seconds after the end of a pause before the next may begin.
    uint256 public constant PAUSE_COOLDOWN = 21 days;

    /// @notice Who may pause; the zero address for a market that nobody can.
    address public immutable guardian;

    /// @notice New jobs are refused up to and including this time.
    uint64 public pausedUntil;
    /// @notice Earliest time of the next pause.
    uint64 public nextPause;

    event Paused(uint256 until);
    event Unpaused();

    error NotGuardian(address caller);
    error PauseTooLong(uint256 duration);
    error PauseTooSoon(uint256 from);
    error NotPaused();
    error NewJobsPaused(uint256 until);

    constructor(address guardian_) {
        guardian = guardian_;
        nextPause = uint64(block.timestamp);
    }

    modifier onlyGuardian() {
        if (msg.sender != guardian) revert NotGuardian(msg.sender);
        _;
    }

    modifier whenNotPaused() {
        if (block.timestamp <= pausedUntil) revert NewJobsPaused(pausedUntil);
        _;
    }

    /// @notice Refuse new jobs for `duration` seconds from now.
    function pause(uint256 duration) external onlyGuardian {
        if (duration == 0 || duration > MAX_PAUSE) revert PauseTooLong(duration);
        if (block.timestamp < nextPause) revert PauseTooSoon(nextPause);
        uint256 until = block.timestamp + duration;
        pausedUntil = uint64(until);
        nextPause = uint64(until + PAUSE_COOLDOWN);
        emit Paused(until);
    }

    /// @notice End the pause early. The wait before the next one is not shortened by it.
    function unpause() external onlyGuardian {
        if (block.timestamp > pausedUntil) revert NotPaused();
        pausedUntil = 0;
        emit Unpaused();
    }
}
