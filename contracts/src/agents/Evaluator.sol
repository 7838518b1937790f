// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IJobMarket} from "../interfaces/IJobMarket.sol";
import {IAgenticCommerce} from "./IAgenticCommerce.sol";

/// @title An ERC-8183 evaluator that judges nothing
/// @notice It stands for one job of this market. Whoever names it as a job's evaluator elsewhere pays exactly when that
///         job is settled here: as many executors as its buyer asked for, drawn by chance, agreed on a receipt to the
///         last bit, its custodian computed the same, and its result was released. Otherwise the client is refunded.
/// @dev The code of the clones (ERC-1167 with arguments): the job's number is in a clone's code, and so in its address.
contract Evaluator {
    IJobMarket public immutable jobs;

    event Evaluated(address indexed commerce, uint256 indexed jobId, bool completed, bytes32 reason);

    error JobNotOver(uint256 job, IJobMarket.State state);

    constructor(IJobMarket jobs_) {
        jobs = jobs_;
    }

    /// @notice The job of this market that decides.
    function job() public view returns (uint256) {
        return abi.decode(Clones.fetchCloneArgs(address(this)), (uint256));
    }

    /// @notice Complete or reject a job of `commerce` that named this evaluator. Anyone may call, once the job is over.
    /// @dev The attestation is the agreed receipt's digest, which anybody can recompute, or how the job ended, as text.
    function evaluate(IAgenticCommerce commerce, uint256 jobId) external returns (bool completed) {
        IJobMarket.Job memory found = jobs.get(job());
        completed = found.state == IJobMarket.State.SETTLED;
        bytes32 reason = completed ? found.receipt : _ending(found.state);
        emit Evaluated(address(commerce), jobId, completed, reason);
        if (completed) commerce.complete(jobId, reason, "");
        else commerce.reject(jobId, reason, "");
    }

    function _ending(IJobMarket.State state) private view returns (bytes32) {
        if (state == IJobMarket.State.REFUSED) return "refused";
        if (state == IJobMarket.State.EXPIRED) return "expired";
        if (state == IJobMarket.State.FAILED) return "failed";
        revert JobNotOver(job(), state);
    }
}
