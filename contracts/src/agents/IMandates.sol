// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IJobMarket} from "../interfaces/IJobMarket.sol";

/// @title Mandates: what a payer lets an agent's key do in this market, with a stated sum and for a while
interface IMandates {
    /// @notice What the payer signs (EIP-712). Amounts are units of the payment token, bits are micro-bits, times
    ///         seconds.
    /// @param payer whose money it is: an account, or a contract wallet (ERC-1271)
    /// @param agent the only account that may act under it
    /// @param actions what it may do: a bit each for LICENSE, JOB, ASK
    /// @param datasets on which
    /// @param policies under which output policies, by digest: each names kinds of circuit and of release
    /// @param sealingKey that results are sealed to; zero: one that the agent names
    /// @param amountRange most that one action may take, what is set aside for fees included
    /// @param budget most that all actions together may take; what comes back is not counted off
    /// @param bitsRange most that one answer may tell about a person; kept by the custodian
    /// @param bitsBudget most that all answers together may tell about a person of a dataset; kept by the custodian
    /// @param maxOccurrences how many actions there may be
    /// @param notBefore the first second in which it is valid
    /// @param notAfter the last one
    /// @param nonce the payer voids all below a number at once
    /// @param purpose what for, in words
    struct Mandate {
        address payer;
        address agent;
        uint8 actions;
        uint256[] datasets;
        bytes32[] policies;
        bytes32 sealingKey;
        uint256 amountRange;
        uint256 budget;
        uint64 bitsRange;
        uint64 bitsBudget;
        uint32 maxOccurrences;
        uint64 notBefore;
        uint64 notAfter;
        uint64 nonce;
        string purpose;
    }

    /// @notice What was done under a mandate.
    /// @param spent what all actions took together
    /// @param occurrences how many they were
    /// @param grantedBlock block that holds the MandateGranted event; 0 before
    struct Usage {
        uint128 spent;
        uint32 occurrences;
        uint32 grantedBlock;
    }

    event MandateGranted(
        bytes32 indexed mandate, address indexed payer, address indexed agent, address account, Mandate terms
    );
    event MandateUsed(
        bytes32 indexed mandate,
        uint256 indexed dataset,
        uint8 action,
        uint256 subject,
        bytes32 policy,
        uint256 amount,
        uint256 spent,
        uint256 occurrences
    );
    event MandateRevoked(bytes32 indexed mandate, address indexed payer);
    event MandatesVoided(address indexed payer, uint64 below);
    event MandateWithdrawn(bytes32 indexed mandate, address indexed payer, uint256 amount);

    error NotAgent(bytes32 mandate, address caller);
    error NotPayer(bytes32 mandate, address caller);
    error BadMandate();
    error BadMandateSignature(bytes32 mandate, address payer);
    error MandateIsRevoked(bytes32 mandate);
    error MandateNotYetValid(bytes32 mandate, uint256 from);
    error MandateExpired(bytes32 mandate, uint256 until);
    error ActionNotGranted(bytes32 mandate, uint256 actions);
    error DatasetNotGranted(bytes32 mandate, uint256 dataset);
    error PolicyNotGranted(bytes32 mandate, bytes32 policy);
    error SealingKeyNotGranted(bytes32 mandate, bytes32 sealingKey);
    error NoOccurrencesLeft(bytes32 mandate, uint256 occurrences);
    error AmountAboveRange(bytes32 mandate, uint256 amount, uint256 range);
    error BudgetSpent(bytes32 mandate, uint256 amount, uint256 left);
    error BalanceTooSmall(bytes32 mandate, uint256 amount, uint256 balance);
    error NonceOnlyGrows(address payer, uint64 nonce);

    /// @notice Make a signed mandate's account and announce its terms. Anyone may call; the first action does it too.
    function grant(Mandate calldata mandate, bytes calldata signature) external returns (address account);

    /// @notice The agent buys a license for the mandate's account.
    function buyLicense(Mandate calldata mandate, bytes calldata signature, uint256 offer)
        external
        returns (uint256 license);

    /// @notice The agent opens a job under a license of the mandate's account, which escrows its price and fees.
    function openJob(Mandate calldata mandate, bytes calldata signature, IJobMarket.Order calldata order)
        external
        returns (uint256 job);

    /// @notice The payer ends a mandate, at once and for good; also one that nobody has used yet.
    function revoke(bytes32 mandate) external;

    /// @notice The payer ends all its mandates with a nonce below this.
    function voidBelow(uint64 nonce) external;

    /// @notice Bring everything that the mandate's account holds, or is owed, to the payer. By the payer at any time;
    ///         by anyone when the mandate is over.
    function withdraw(Mandate calldata mandate) external returns (uint256 amount);

    /// @notice EIP-712 digest of a mandate: its name everywhere.
    function digestOf(Mandate calldata mandate) external view returns (bytes32);

    /// @notice Where a mandate's money is: whatever is sent here can be spent under it, and by nobody else.
    function accountOf(bytes32 mandate) external view returns (address);

    /// @notice The mandate whose account this is; zero for other addresses, and before it was granted.
    function mandateOf(address account) external view returns (bytes32);

    function usageOf(bytes32 mandate) external view returns (Usage memory);

    /// @notice Whether a payer ended this mandate by name.
    function revoked(address payer, bytes32 mandate) external view returns (bool);

    /// @notice The payer's mandates with a nonce below this are void.
    function nonceFloor(address payer) external view returns (uint64);
}
