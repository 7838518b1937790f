// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IJobMarket} from "../interfaces/IJobMarket.sol";
import {ILicenseMarket} from "../interfaces/ILicenseMarket.sol";
import {IPayments} from "../interfaces/IPayments.sol";

/// @title One mandate's money, licenses and jobs
/// @notice The market knows this account as the buyer: a mandate spends what its account holds and nothing else, and
///         refunds return here without anybody's books.
/// @dev The code of the clones (ERC-1167): the values fixed here are in the code, so all clones have them.
contract MandateAccount {
    using SafeERC20 for IERC20;

    address public immutable mandates;
    IERC20 public immutable token;
    ILicenseMarket public immutable licenses;
    IJobMarket public immutable jobs;

    error OnlyMandates(address caller);

    constructor(IERC20 token_, ILicenseMarket licenses_, IJobMarket jobs_) {
        mandates = msg.sender;
        token = token_;
        licenses = licenses_;
        jobs = jobs_;
    }

    modifier onlyMandates() {
        if (msg.sender != mandates) revert OnlyMandates(msg.sender);
        _;
    }

    /// @notice Buy a license for at most `amount`.
    function buy(uint256 offer, uint256 amount) external onlyMandates returns (uint256 license) {
        token.forceApprove(address(licenses), amount);
        return licenses.buy(offer);
    }

    /// @notice Open a job for at most `amount`.
    function open(IJobMarket.Order calldata order, uint256 amount) external onlyMandates returns (uint256 job) {
        token.forceApprove(address(jobs), amount);
        return jobs.open(order);
    }

    /// @notice Fetch what the markets owe this account: refunds.
    function reclaim() external onlyMandates {
        _reclaim(IPayments(address(licenses)));
        _reclaim(IPayments(address(jobs)));
    }

    /// @notice Pay everything to `to`.
    function empty(address to) external onlyMandates returns (uint256 amount) {
        amount = token.balanceOf(address(this));
        if (amount > 0) token.safeTransfer(to, amount);
    }

    function _reclaim(IPayments market) private {
        if (market.claimable(address(this)) > 0) market.withdraw();
    }
}
