// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IJobMarket} from "../interfaces/IJobMarket.sol";
import {ILicenseMarket} from "../interfaces/ILicenseMarket.sol";
import {IMandates} from "./IMandates.sol";
import {MandateAccount} from "./MandateAccount.sol";

/// @dev What a job market says of its wiring.
interface IWiredMarket {
    function token() external view returns (IERC20);

    function licenses() external view returns (address);
}

/// @title Narrow authority for software agents
/// @notice A payer signs what an agent's key may buy; this contract checks each action against it and acts through the
///         mandate's own account. Nobody owns it, nothing in it can be changed, and money leaves an account only for
///         what its mandate names, or to its payer.
/// @dev Only usage and endings are stored. Terms and signature come with each call and are checked anew, so that a
///      contract wallet that no longer stands by a signature ends the mandate, as `revoke` does.
contract Mandates is IMandates, EIP712, ReentrancyGuardTransient {
    using SafeCast for uint256;

    uint8 public constant LICENSE = 1;
    uint8 public constant JOB = 2;
    /// @notice A job whose answer is about many people together: a custodian refuses others where JOB is not granted.
    uint8 public constant ASK = 4;
    uint256 public constant MAX_LISTED = 32;

    bytes32 private constant TYPEHASH = keccak256(
        "Mandate(address payer,address agent,uint8 actions,uint256[] datasets,bytes32[] policies,bytes32 sealingKey,"
        "uint256 amountRange,uint256 budget,uint64 bitsRange,uint64 bitsBudget,uint32 maxOccurrences,uint64 notBefore,"
        "uint64 notAfter,uint64 nonce,string purpose)"
    );

    IERC20 public immutable token;
    ILicenseMarket public immutable licenses;
    IJobMarket public immutable jobs;
    /// @notice The code that every mandate's account runs.
    address public immutable accountCode;

    /// @inheritdoc IMandates
    mapping(address account => bytes32) public mandateOf;
    /// @inheritdoc IMandates
    mapping(address payer => mapping(bytes32 mandate => bool)) public revoked;
    /// @inheritdoc IMandates
    mapping(address payer => uint64) public nonceFloor;

    mapping(bytes32 mandate => Usage) private _usage;

    constructor(IJobMarket jobs_) EIP712("Darkroom Mandates", "1") {
        IWiredMarket wired = IWiredMarket(address(jobs_));
        jobs = jobs_;
        token = wired.token();
        licenses = ILicenseMarket(wired.licenses());
        accountCode = address(new MandateAccount(token, licenses, jobs_));
    }

    /// @inheritdoc IMandates
    function grant(Mandate calldata mandate, bytes calldata signature) external nonReentrant returns (address account) {
        bytes32 id = _digest(mandate);
        _checkSigned(id, mandate, signature);
        _checkAlive(id, mandate);
        return _granted(id, mandate);
    }

    /// @inheritdoc IMandates
    function buyLicense(Mandate calldata mandate, bytes calldata signature, uint256 offer)
        external
        nonReentrant
        returns (uint256 license)
    {
        bytes32 id = _begin(mandate, signature, LICENSE);
        ILicenseMarket.Offer memory terms = licenses.offerOf(offer);
        _checkNamed(id, mandate, terms.dataset, terms.policy);
        MandateAccount account = _spend(id, mandate, terms.priceLicense);
        license = account.buy(offer, terms.priceLicense);
        _announce(id, terms.dataset, LICENSE, license, terms.policy, terms.priceLicense);
    }

    /// @inheritdoc IMandates
    function openJob(Mandate calldata mandate, bytes calldata signature, IJobMarket.Order calldata order)
        external
        nonReentrant
        returns (uint256 job)
    {
        bytes32 id = _begin(mandate, signature, JOB | ASK);
        ILicenseMarket.Offer memory terms = licenses.offerOf(licenses.licenseOf(order.license).offer);
        _checkNamed(id, mandate, terms.dataset, terms.policy);
        if (mandate.sealingKey != bytes32(0) && order.sealingKey != mandate.sealingKey) {
            revert SealingKeyNotGranted(id, order.sealingKey);
        }
        uint256 amount = terms.priceJob + terms.priceRow * order.rows + order.maxFee;
        MandateAccount account = _spend(id, mandate, amount);
        job = account.open(order, amount);
        _announce(id, terms.dataset, mandate.actions & (JOB | ASK), job, terms.policy, amount);
    }

    /// @inheritdoc IMandates
    function revoke(bytes32 mandate) external {
        revoked[msg.sender][mandate] = true;
        emit MandateRevoked(mandate, msg.sender);
    }

    /// @inheritdoc IMandates
    function voidBelow(uint64 nonce) external {
        if (nonce <= nonceFloor[msg.sender]) revert NonceOnlyGrows(msg.sender, nonceFloor[msg.sender]);
        nonceFloor[msg.sender] = nonce;
        emit MandatesVoided(msg.sender, nonce);
    }

    /// @inheritdoc IMandates
    /// @dev No signature is looked at: money that was sent to a mandate whose signature is wrong returns as well.
    function withdraw(Mandate calldata mandate) external nonReentrant returns (uint256 amount) {
        bytes32 id = _digest(mandate);
        bool over = _ended(id, mandate) || block.timestamp > mandate.notAfter;
        if (msg.sender != mandate.payer && !over) revert NotPayer(id, msg.sender);
        MandateAccount account = _account(id);
        account.reclaim();
        amount = account.empty(mandate.payer);
        emit MandateWithdrawn(id, mandate.payer, amount);
    }

    /// @inheritdoc IMandates
    function digestOf(Mandate calldata mandate) external view returns (bytes32) {
        return _digest(mandate);
    }

    /// @inheritdoc IMandates
    function accountOf(bytes32 mandate) public view returns (address) {
        return Clones.predictDeterministicAddress(accountCode, mandate);
    }

    /// @inheritdoc IMandates
    function usageOf(bytes32 mandate) external view returns (Usage memory) {
        return _usage[mandate];
    }

    /// @dev Everything that does not depend on what is bought.
    function _begin(Mandate calldata mandate, bytes calldata signature, uint8 actions) private returns (bytes32 id) {
        id = _digest(mandate);
        if (msg.sender != mandate.agent) revert NotAgent(id, msg.sender);
        _checkSigned(id, mandate, signature);
        _checkAlive(id, mandate);
        if (mandate.actions & actions == 0) revert ActionNotGranted(id, mandate.actions);
        _granted(id, mandate);
    }

    function _checkSigned(bytes32 id, Mandate calldata mandate, bytes calldata signature) private view {
        if (!SignatureChecker.isValidSignatureNowCalldata(mandate.payer, id, signature)) {
            revert BadMandateSignature(id, mandate.payer);
        }
    }

    function _checkAlive(bytes32 id, Mandate calldata mandate) private view {
        if (_ended(id, mandate)) revert MandateIsRevoked(id);
        if (block.timestamp < mandate.notBefore) revert MandateNotYetValid(id, mandate.notBefore);
        if (block.timestamp > mandate.notAfter) revert MandateExpired(id, mandate.notAfter);
    }

    function _ended(bytes32 id, Mandate calldata mandate) private view returns (bool) {
        return revoked[mandate.payer][id] || mandate.nonce < nonceFloor[mandate.payer];
    }

    function _checkNamed(bytes32 id, Mandate calldata mandate, uint256 dataset, bytes32 policy) private pure {
        if (!_has(mandate.datasets, dataset)) revert DatasetNotGranted(id, dataset);
        for (uint256 i = 0; i < mandate.policies.length; ++i) {
            if (mandate.policies[i] == policy) return;
        }
        revert PolicyNotGranted(id, policy);
    }

    /// @dev Books are written before any other contract is called.
    function _spend(bytes32 id, Mandate calldata mandate, uint256 amount) private returns (MandateAccount account) {
        Usage memory usage = _usage[id];
        if (usage.occurrences >= mandate.maxOccurrences) revert NoOccurrencesLeft(id, mandate.maxOccurrences);
        if (amount > mandate.amountRange) revert AmountAboveRange(id, amount, mandate.amountRange);
        uint256 left = mandate.budget > usage.spent ? mandate.budget - usage.spent : 0;
        if (amount > left) revert BudgetSpent(id, amount, left);
        usage.spent = (usage.spent + amount).toUint128();
        usage.occurrences += 1;
        _usage[id] = usage;
        account = MandateAccount(accountOf(id));
        if (token.balanceOf(address(account)) < amount) account.reclaim();
        uint256 balance = token.balanceOf(address(account));
        if (balance < amount) revert BalanceTooSmall(id, amount, balance);
    }

    function _announce(bytes32 id, uint256 dataset, uint8 action, uint256 subject, bytes32 policy, uint256 amount)
        private
    {
        Usage memory usage = _usage[id];
        emit MandateUsed(id, dataset, action, subject, policy, amount, usage.spent, usage.occurrences);
    }

    /// @dev Once for each mandate; its signature was checked.
    function _granted(bytes32 id, Mandate calldata mandate) private returns (address account) {
        if (_usage[id].grantedBlock != 0) return accountOf(id);
        if (mandate.datasets.length > MAX_LISTED || mandate.policies.length > MAX_LISTED) revert BadMandate();
        account = address(_account(id));
        _usage[id].grantedBlock = block.number.toUint32();
        mandateOf[account] = id;
        emit MandateGranted(id, mandate.payer, mandate.agent, account, mandate);
    }

    /// @dev Made when it is first needed. Only the digest names it, so nobody can be there first.
    function _account(bytes32 id) private returns (MandateAccount) {
        address account = accountOf(id);
        if (account.code.length == 0) Clones.cloneDeterministic(accountCode, id);
        return MandateAccount(account);
    }

    function _has(uint256[] calldata list, uint256 wanted) private pure returns (bool) {
        for (uint256 i = 0; i < list.length; ++i) {
            if (list[i] == wanted) return true;
        }
        return false;
    }

    /// @dev In two halves: one expression of sixteen words is too many for the stack.
    function _digest(Mandate calldata mandate) private view returns (bytes32) {
        bytes memory first = abi.encode(
            TYPEHASH,
            mandate.payer,
            mandate.agent,
            mandate.actions,
            keccak256(abi.encodePacked(mandate.datasets)),
            keccak256(abi.encodePacked(mandate.policies)),
            mandate.sealingKey,
            mandate.amountRange
        );
        bytes memory second = abi.encode(
            mandate.budget,
            mandate.bitsRange,
            mandate.bitsBudget,
            mandate.maxOccurrences,
            mandate.notBefore,
            mandate.notAfter,
            mandate.nonce,
            keccak256(bytes(mandate.purpose))
        );
        return _hashTypedDataV4(keccak256(bytes.concat(first, second)));
    }
}
