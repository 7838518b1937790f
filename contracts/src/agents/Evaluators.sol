// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IJobMarket} from "../interfaces/IJobMarket.sol";
import {Evaluator} from "./Evaluator.sol";

/// @title The evaluators of one market's jobs
/// @notice An evaluator's address follows from its job, so it can be named before it is there; anyone makes it.
contract Evaluators {
    /// @notice The code that every evaluator runs.
    address public immutable code;

    event EvaluatorMade(uint256 indexed job, address evaluator);

    constructor(IJobMarket jobs) {
        code = address(new Evaluator(jobs));
    }

    /// @notice Make a job's evaluator, or find it.
    function make(uint256 job) external returns (address evaluator) {
        evaluator = evaluatorOf(job);
        if (evaluator.code.length > 0) return evaluator;
        Clones.cloneDeterministicWithImmutableArgs(code, abi.encode(job), bytes32(0));
        emit EvaluatorMade(job, evaluator);
    }

    /// @notice Where a job's evaluator is, or will be.
    function evaluatorOf(uint256 job) public view returns (address) {
        return Clones.predictDeterministicAddressWithImmutableArgs(code, abi.encode(job), bytes32(0));
    }
}
