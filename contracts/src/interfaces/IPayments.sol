// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Pull payments and offer earnings: what every contract that holds money offers
interface IPayments {
    event Withdrawn(address indexed account, uint256 amount);
    event Earned(uint256 indexed offer, uint256 amount);
    event Collected(uint256 indexed offer, address indexed account, uint256 amount);

    error NothingToWithdraw(address account);
    error NothingToCollect(uint256 offer);

    /// @notice Pay the caller everything it can claim here.
    function withdraw() external returns (uint256 amount);

    /// @notice Split an offer's earnings among its beneficiaries' claims. Anyone may call.
    function collect(uint256 offer) external returns (uint256 amount);

    function claimable(address account) external view returns (uint256);

    function earnings(uint256 offer) external view returns (uint256 received, uint256 distributed);
}
