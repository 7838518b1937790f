// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What an evaluator calls of an ERC-8183 market (Agentic Commerce, draft of 2026-02-25)
interface IAgenticCommerce {
    /// @notice The evaluator alone, on a submitted job: the escrow goes to the provider.
    function complete(uint256 jobId, bytes32 reason, bytes calldata optParams) external;

    /// @notice The evaluator alone, on a funded or submitted job: the escrow goes back to the client.
    function reject(uint256 jobId, bytes32 reason, bytes calldata optParams) external;
}
