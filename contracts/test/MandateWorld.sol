// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IMandates} from "../src/agents/IMandates.sol";
import {Mandates} from "../src/agents/Mandates.sol";
import {World} from "./World.sol";

/// @dev A contract wallet whose owner may be replaced, and which may try to be clever when it is asked.
contract Wallet is IERC1271 {
    address public signer;

    constructor(address signer_) {
        signer = signer_;
    }

    function replace(address other) external {
        signer = other;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        (address found, ECDSA.RecoverError fault,) = ECDSA.tryRecover(digest, signature);
        return fault == ECDSA.RecoverError.NoError && found == signer ? this.isValidSignature.selector : bytes4(0);
    }
}

/// @title A market with mandates beside it, a payer and an agent
abstract contract MandateWorld is World {
    uint256 internal constant PAYER_KEY = 0xA11CE;
    uint256 internal constant HALF = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;
    uint256 internal constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
    uint256 internal constant JOB_COST = JOB_PRICE + MAX_FEE;

    Mandates internal mandates;
    address internal payer;
    address internal agent = address(0xA6E);
    uint256 internal offer;

    function setUp() public virtual {
        _deploy();
        mandates = new Mandates(jobs);
        payer = vm.addr(PAYER_KEY);
        usd.faucet(payer, 1_000 * USD);
        offer = _offer();
    }

    /// @dev Licenses and jobs on the one dataset: two licenses' price, one of them at a time.
    function _mandate() internal view returns (IMandates.Mandate memory mandate) {
        mandate.payer = payer;
        mandate.agent = agent;
        mandate.actions = 3;
        mandate.datasets = new uint256[](1);
        mandate.datasets[0] = 1;
        mandate.policies = new bytes32[](1);
        mandate.policies[0] = POLICY;
        mandate.amountRange = LICENSE_PRICE;
        mandate.budget = 2 * LICENSE_PRICE;
        mandate.bitsRange = 1_000_000;
        mandate.bitsBudget = 8_000_000;
        mandate.maxOccurrences = 4;
        mandate.notBefore = uint64(block.timestamp);
        mandate.notAfter = uint64(block.timestamp + 1 days);
        mandate.nonce = 7;
        mandate.purpose = "Look at risk.";
    }

    function _sign(IMandates.Mandate memory mandate) internal returns (bytes memory) {
        return _signAs(PAYER_KEY, mandate);
    }

    function _signAs(uint256 key, IMandates.Mandate memory mandate) internal returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, mandates.digestOf(mandate));
        return abi.encodePacked(r, s, v);
    }

    /// @dev Put money into a mandate's account.
    function _fill(IMandates.Mandate memory mandate, uint256 amount) internal returns (bytes32 id) {
        id = mandates.digestOf(mandate);
        address account = mandates.accountOf(id);
        vm.prank(payer);
        usd.transfer(account, amount);
    }

    function _funded() internal returns (IMandates.Mandate memory mandate, bytes memory signature, bytes32 id) {
        mandate = _mandate();
        signature = _sign(mandate);
        id = _fill(mandate, 2 * LICENSE_PRICE);
    }

    /// @dev The agent tries, and is refused.
    function _refused(IMandates.Mandate memory mandate, bytes memory signature, bytes memory why) internal {
        vm.expectRevert(why);
        vm.prank(agent);
        mandates.buyLicense(mandate, signature, offer);
    }

    function _buy(IMandates.Mandate memory mandate, bytes memory signature) internal returns (uint256 license) {
        vm.prank(agent);
        return mandates.buyLicense(mandate, signature, offer);
    }

    function _run(IMandates.Mandate memory mandate, bytes memory signature, uint256 license)
        internal
        returns (uint256)
    {
        vm.prank(agent);
        return mandates.openJob(mandate, signature, _order(license, 2));
    }

    function _error(bytes4 selector, bytes32 id, uint256 a, uint256 b) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, id, a, b);
    }
}
