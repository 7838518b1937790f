// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IPayments} from "./interfaces/IPayments.sol";
import {ILicenseMarket} from "./interfaces/ILicenseMarket.sol";
import {Permits} from "./Permits.sol";

/// @title Pull payments, and earnings of offers that are split among beneficiaries
/// @notice Money leaves only by `withdraw`, to the caller and for the caller's own claim: nobody's refusal to receive
///         can hold up anyone else.
/// @dev A sale adds to one counter of its offer; who gets which part is worked out in `collect`, whenever somebody
///      wants it. So a sale costs the same with one beneficiary and with eight.
abstract contract Payments is IPayments, Permits, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @dev What an offer earned and what of that was split. Of an offer's sales the same word counts the licenses left
    ///      and what each guarantees, so that a sale writes one word for both.
    struct Account {
        uint96 received;
        uint96 distributed;
        uint32 licensesLeft;
        uint32 microBits;
    }

    /// @dev What shares are counted in: a hundredth of a percent.
    uint256 internal constant WHOLE = 10_000;

    /// @inheritdoc IPayments
    mapping(address account => uint256) public claimable;

    mapping(uint256 offer => Account) internal _earnings;

    /// @inheritdoc IPayments
    function withdraw() external nonReentrant returns (uint256 amount) {
        amount = claimable[msg.sender];
        if (amount == 0) revert NothingToWithdraw(msg.sender);
        claimable[msg.sender] = 0;
        emit Withdrawn(msg.sender, amount);
        token.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IPayments
    /// @dev Each share is rounded down; the last beneficiary takes what rounding left, so that nothing is ever stuck.
    function collect(uint256 offer) external returns (uint256 amount) {
        Account storage account = _earnings[offer];
        amount = account.received - account.distributed;
        if (amount == 0) revert NothingToCollect(offer);
        account.distributed = account.received;
        ILicenseMarket.Share[] memory shares = _shares(offer);
        uint256 left = amount;
        for (uint256 i = 0; i < shares.length; ++i) {
            uint256 part = i + 1 == shares.length ? left : amount * shares[i].basisPoints / WHOLE;
            left -= part;
            _credit(shares[i].account, part);
            emit Collected(offer, shares[i].account, part);
        }
    }

    /// @inheritdoc IPayments
    function earnings(uint256 offer) external view returns (uint256 received, uint256 distributed) {
        return (_earnings[offer].received, _earnings[offer].distributed);
    }

    /// @dev Who earns from an offer; never empty for an offer that sold something.
    function _shares(uint256 offer) internal view virtual returns (ILicenseMarket.Share[] memory);

    function _credit(address account, uint256 amount) internal {
        claimable[account] += amount;
    }

    function _earn(uint256 offer, uint256 amount) internal {
        if (amount == 0) return;
        _earnings[offer].received += uint96(amount);
        emit Earned(offer, amount);
    }

    /// @dev Take money from the caller into this contract.
    function _pull(uint256 amount) internal {
        _pullFrom(msg.sender, amount);
    }

    /// @dev From somebody who asked for it in a contract that belongs to the market.
    function _pullFrom(address account, uint256 amount) internal {
        if (amount > 0) token.safeTransferFrom(account, address(this), amount);
    }
}
