// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What a prepaid order needs of a payment token: transfers that their holder signs (EIP-3009)
interface IAuthorizedToken {
    /// @notice Carry out a transfer that `from` signed, by its key or as a contract wallet; anybody may send it.
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;

    /// @notice Whether an authorization was used or voided.
    function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);
}
