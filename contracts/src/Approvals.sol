// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {JobStore} from "./JobStore.sol";

/// @title The owner's word on a job
/// @notice An offer's policy may leave each release to the dataset's owner. The owner then says yes or no here, once,
///         for everybody to see: the custodian waits for it and the auditor checks it. The contract does not read
///         policies, so a word is taken on any job, but it alone decides nothing except that a denied job is never
///         released.
abstract contract Approvals is JobStore {
    /// @notice Let the custodian release a job's result. Only the holder of the dataset's token: a custodian acts for
    ///         the owner, and must not be able to do so in the one matter that the owner kept.
    function approve(uint256 job) external {
        _say(job, Approval.APPROVED);
        emit JobApproved(job, msg.sender);
    }

    /// @notice Forbid the release of a job's result. The custodian can only refuse it then; the money goes as it always
    ///         does on refusal or expiry.
    function deny(uint256 job) external {
        _say(job, Approval.DENIED);
        emit JobDenied(job, msg.sender);
    }

    /// @dev From the opening on, since the circuit and the rows never change; and for good, or a word could be taken
    ///      back between the custodian's look and its release.
    function _say(uint256 job, Approval word) private {
        Stored storage stored = _jobs[job];
        State state = stored.state;
        if (state == State.NONE || _terminal(state)) revert WrongState(job, state);
        if (_ownerOf(stored.dataset) != msg.sender) revert NotOwner(job, msg.sender);
        if (stored.approval != Approval.NONE) revert AlreadyAnswered(job, stored.approval);
        stored.approval = word;
    }

    /// @dev Present holder of a dataset's token.
    function _ownerOf(uint256 dataset) internal view virtual returns (address);
}
