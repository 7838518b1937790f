// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IAuthorizedToken} from "./IAuthorizedToken.sol";

/// @title A worthless dollar with transfers that its holder signs and anybody sends (EIP-3009)
/// @notice The test dollar of edition 2 with EIP-3009 beside EIP-2612. Anyone may mint: never deploy a market on it
///         where money is meant.
/// @dev OpenZeppelin's extension takes signatures of keys; the forms with `bytes` take those of contract wallets too
///      (ERC-1271), as USDC has them since its version 2.2.
contract TestUSDWithAuthorization is ERC20, ERC20Permit, ERC3009, IAuthorizedToken {
    /// @notice Most that one call of the faucet gives, as of the test dollar.
    uint256 public constant FAUCET_CAP = 1_000_000e6;

    error FaucetCap(uint256 amount, uint256 cap);

    constructor() ERC20("Darkroom test dollar", "tUSD") ERC20Permit("Darkroom test dollar") {}

    /// @notice Mint `amount` to `to`, up to the cap a call.
    function faucet(address to, uint256 amount) external {
        if (amount > FAUCET_CAP) revert FaucetCap(amount, FAUCET_CAP);
        _mint(to, amount);
    }

    /// @inheritdoc IAuthorizedToken
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        _check(
            from,
            keccak256(
                abi.encode(TRANSFER_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce)
            ),
            signature
        );
        _transferWithAuthorization(from, to, value, validAfter, validBefore, nonce);
    }

    /// @notice As the form with a key's signature: only `to` may send it.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        _check(
            from,
            keccak256(abi.encode(RECEIVE_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce)),
            signature
        );
        if (to != _msgSender()) revert ERC20InvalidReceiver(to);
        _transferWithAuthorization(from, to, value, validAfter, validBefore, nonce);
    }

    /// @notice Void an authorization that was signed and not sent yet.
    function cancelAuthorization(address authorizer, bytes32 nonce, bytes calldata signature) external {
        _check(authorizer, keccak256(abi.encode(CANCEL_AUTHORIZATION_TYPEHASH, authorizer, nonce)), signature);
        _cancelAuthorization(authorizer, nonce);
    }

    /// @inheritdoc IAuthorizedToken
    function authorizationState(address authorizer, bytes32 nonce)
        public
        view
        override(ERC3009, IAuthorizedToken)
        returns (bool)
    {
        return super.authorizationState(authorizer, nonce);
    }

    /// @notice Of the EIP-712 domain.
    function version() external view returns (string memory) {
        return _EIP712Version();
    }

    /// @inheritdoc ERC20
    function decimals() public pure override returns (uint8) {
        return 6;
    }

    function _check(address signer, bytes32 said, bytes calldata signature) private view {
        if (!SignatureChecker.isValidSignatureNowCalldata(signer, _hashTypedDataV4(said), signature)) {
            revert ERC3009InvalidSignature();
        }
    }
}
