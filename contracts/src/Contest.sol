// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Rounds} from "./Rounds.sol";

/// @title The custodian's doubt
/// @notice A custodian recomputes before it decrypts. When its own result differs from the agreed one, its word alone
///         proves nothing: `replicas + 1` others are drawn, and the majority of all decides who lied and who pays.
abstract contract Contest is Rounds {
    /// @notice Ask for others, once, in the time for an answer. The custodian's bond must be able to pay them all.
    function contest(uint256 job) external nonReentrant {
        Stored storage stored = _asked(job);
        if (stored.contestedFrom != 0) revert AlreadyContested(job);
        _hold(stored.dataset, _contestHold(stored));
        stored.contestedFrom = stored.drawn;
        stored.round = 0;
        _enter(stored, State.DISPUTED, drawWindow);
        emit JobContested(job, msg.sender, _arm(stored));
    }
}
