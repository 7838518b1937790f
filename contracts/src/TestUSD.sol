// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title A worthless dollar for the embedded chain, tests and test networks
/// @notice Anyone may mint: never deploy a market on it where money is meant.
contract TestUSD is ERC20, ERC20Permit {
    /// @notice Most that one call of the faucet gives, in units of 10^-6; a typing error should not overflow a total.
    uint256 public constant FAUCET_CAP = 1_000_000e6;

    error FaucetCap(uint256 amount, uint256 cap);

    constructor() ERC20("Darkroom test dollar", "tUSD") ERC20Permit("Darkroom test dollar") {}

    /// @notice Mint `amount` to `to`, up to the cap a call.
    function faucet(address to, uint256 amount) external {
        if (amount > FAUCET_CAP) revert FaucetCap(amount, FAUCET_CAP);
        _mint(to, amount);
    }

    /// @inheritdoc ERC20
    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
