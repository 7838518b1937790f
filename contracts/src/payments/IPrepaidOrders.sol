// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IJobMarket} from "../interfaces/IJobMarket.sol";

/// @title Orders whose payment names them
/// @notice Each order has an account at an address that follows from all its terms. Money that is sent there buys that
///         order or returns to its payer, so whoever pays there has agreed to the order by that alone: no second
///         signature, and whoever sends the payment decides nothing.
interface IPrepaidOrders {
    /// @notice One license and one job under it.
    /// @param payer who pays, and to whom everything returns that the order does not take
    /// @param offer the license is bought from; its prices and policy never change
    /// @param notAfter the last second in which it may be opened
    /// @param nonce tells equal orders apart
    /// @param job the order; its `license` is zero, since it is bought on the way
    struct PrepaidOrder {
        address payer;
        uint256 offer;
        uint64 notAfter;
        bytes32 nonce;
        IJobMarket.Order job;
    }

    /// @notice A transfer to the order's account that its payer signed (EIP-3009); an empty signature where the account
    ///         has its money already.
    struct Authorization {
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
        bytes signature;
    }

    event OrderOpened(
        bytes32 indexed order, address indexed payer, uint256 indexed job, uint256 license, uint256 price
    );
    event OrderRefunded(bytes32 indexed order, address indexed payer, uint256 amount);

    error OrderNamesLicense(bytes32 order, uint256 license);
    error OrderIsOpen(bytes32 order, uint256 job);
    error OrderExpired(bytes32 order, uint256 until);
    error OrderUnpaid(bytes32 order, uint256 price, uint256 held);
    error OrderMayOpen(bytes32 order, address caller);

    /// @notice Take the payment, buy the license and open the job, or do nothing at all; anyone may.
    /// @dev A job that failed or expired may be opened again under the same license, out of what came back.
    function open(PrepaidOrder calldata order, Authorization calldata paid) external returns (uint256 job);

    /// @notice Pay what an order's account holds, or is owed, to its payer: by the payer at any time, by anyone once
    ///         the order cannot be opened any more.
    function refund(PrepaidOrder calldata order) external returns (uint256 amount);

    /// @notice An order's name.
    function idOf(PrepaidOrder calldata order) external pure returns (bytes32);

    /// @notice Where an order is paid.
    function accountOf(PrepaidOrder calldata order) external view returns (address);

    /// @notice What opening it takes: license, job, rows, and what is set aside for executors.
    function priceOf(PrepaidOrder calldata order) external view returns (uint256);

    /// @notice The license that was bought and the job that was opened last; zeros before.
    function opened(bytes32 order) external view returns (uint256 license, uint256 job);
}
