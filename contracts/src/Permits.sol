// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";

/// @title The payment token, and approval by signature (EIP-2612)
/// @notice A token that takes a fee on transfer, or changes balances by itself, must not be used: the books count what
///         was sent.
abstract contract Permits {
    /// @notice The token that everything is paid in.
    IERC20 public immutable token;

    error NoAllowance(uint256 allowance, uint256 needed);

    constructor(IERC20 token_) {
        token = token_;
    }

    /// @dev A permit is public once sent and anyone can use it up first, so its failure says nothing: the allowance
    ///      does.
    function _permit(uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s) internal {
        try IERC20Permit(address(token)).permit(msg.sender, address(this), value, deadline, v, r, s) {}
        catch {
            uint256 allowance = token.allowance(msg.sender, address(this));
            if (allowance < value) revert NoAllowance(allowance, value);
        }
    }
}
