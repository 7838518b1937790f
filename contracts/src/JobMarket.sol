// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Approvals} from "./Approvals.sol";
import {Guarded} from "./Guarded.sol";
import {Hearings} from "./Hearings.sol";
import {IDisputes} from "./interfaces/IDisputes.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {LicenseMarket} from "./LicenseMarket.sol";
import {ProviderRegistry} from "./ProviderRegistry.sol";
import {Wired} from "./Wired.sol";

/// @title Jobs from escrow to settlement
/// @notice A buyer funds a job; chance picks the executors; they commit to a digest before any of them shows one; as
///         many equal digests as the buyer asked for make a result; the dataset's custodian releases it, refuses, or
///         asks others. Every state has a deadline after which anyone may call `expire`, and every way out pays
///         everybody off.
/// @dev The seed of a draw is the hash of the block after the one that armed it. Whoever does not build that block has
///      no influence on it; whoever builds it can try T variants, and gets all r executors from a fraction f of the
///      bonded seats with probability at most 1 - (1 - f^r)^T instead of f^r. Every party of a dispute is drawn the
///      same way. What a job goes through is in `Rounds`, who is paid in `Settlement`, what the custodian puts up in
///      `Custody`.
contract JobMarket is Approvals, Hearings {
    using SafeCast for uint256;

    constructor(
        IERC20 token_,
        IDatasetRegistry datasets_,
        LicenseMarket licenses_,
        ProviderRegistry providers_,
        IDisputes disputes_,
        address guardian_,
        Windows memory windows
    ) Guarded(guardian_) Wired(token_, datasets_, licenses_, providers_, disputes_, windows) {}

    /// @notice Use one job of a license, and escrow its price and the most that all executors together may earn.
    function open(Order calldata order) external nonReentrant whenNotPaused returns (uint256 job) {
        uint256 owed;
        (job, owed) = _open(order);
        _pull(owed);
    }

    /// @notice The same with the approval signed, not sent; it must cover the price and the fees.
    function openWithPermit(Order calldata order, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
        whenNotPaused
        returns (uint256 job)
    {
        uint256 owed;
        (job, owed) = _open(order);
        _permit(owed, deadline, v, r, s);
        _pull(owed);
    }

    /// @notice The same for a job whose receipts may be disputed; `program` as `IJobMarket` says.
    function openWithProgram(Order calldata order, bytes32 program)
        external
        nonReentrant
        whenNotPaused
        returns (uint256 job)
    {
        uint256 owed;
        (job, owed) = _open(order);
        _bindProgram(job, order, program);
        _pull(owed);
    }

    /// @notice The same with the approval signed, not sent.
    function openWithProgramAndPermit(
        Order calldata order,
        bytes32 program,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant whenNotPaused returns (uint256 job) {
        uint256 owed;
        (job, owed) = _open(order);
        _bindProgram(job, order, program);
        _permit(owed, deadline, v, r, s);
        _pull(owed);
    }

    /// @notice The custodian hands the sealed result over, unless the owner denied it; the executors and the dataset's
    ///         beneficiaries have earned their parts.
    function release(uint256 job, bytes32 sealedDigest, bytes32 decision, bytes32 head) external {
        Stored storage stored = _answered(job, decision, head);
        if (sealedDigest == bytes32(0)) revert ZeroDigest();
        if (stored.approval == Approval.DENIED) revert DeniedByOwner(job);
        _close(stored, State.SETTLED);
        emit JobReleased(job, sealedDigest, decision);
        (uint256 fees, uint256 owed) = _payExecutors(job, stored);
        _unhold(job, stored, owed);
        _earn(stored.offer, stored.price);
        emit JobSettled(job);
        _refund(job, stored.buyer, stored.maxFee - fees);
    }

    /// @notice The custodian refuses: under the output policy, or because the buyer's circuit is not to be had. The
    ///         buyer has the price back; the executors did their work and have their fees; the license's use stays
    ///         used, or probing a policy would be free.
    function refuse(uint256 job, bytes32 reason, bytes32 decision, bytes32 head) external {
        Stored storage stored = _answered(job, decision, head);
        if (reason == bytes32(0)) revert ZeroDigest();
        _close(stored, State.REFUSED);
        emit JobRefused(job, reason, decision);
        (uint256 fees, uint256 owed) = _payExecutors(job, stored);
        _unhold(job, stored, owed);
        _refund(job, stored.buyer, uint256(stored.price) + stored.maxFee - fees);
    }

    /// @notice Move a job whose deadline has passed. Anyone may call.
    function expire(uint256 job) external nonReentrant {
        Stored storage stored = _jobs[job];
        State state = stored.state;
        if (state == State.NONE || _terminal(state)) revert WrongState(job, state);
        _checkRunning(job, stored);
        if (block.timestamp <= stored.deadline) revert DeadlineNotReached(job, stored.deadline);
        if (state == State.OPEN) {
            _unlock(job, stored, stored.out, 0);
            _expired(job, stored, 0);
        } else if (state == State.ASSIGNED) {
            _expireRound(job, stored);
        } else if (state == State.DISPUTED) {
            _giveUp(job, stored);
        } else {
            // The fees were for nothing: the buyer has them back from the custodian, and the executors theirs.
            (uint256 fees, uint256 owed) = _payExecutors(job, stored);
            _expired(job, stored, fees + owed);
        }
    }

    function _open(Order calldata order) private returns (uint256 job, uint256 owed) {
        if (order.circuit == bytes32(0) || order.sealingKey == bytes32(0) || order.units == 0) revert BadOrder();
        if (order.replicas == 0 || order.replicas > MAX_REPLICAS) revert BadReplicas(order.replicas);
        (uint256 offer, uint256 dataset, uint256 price, uint16 version, bytes32 content) =
            licenses.consume(order.license, msg.sender, order.firstRow, order.rows);
        if (order.version != version || order.content != content) revert OrderOutdated(dataset, version);
        uint88 earned = price.toUint88();
        uint80 fees = order.maxFee.toUint80();
        _hold(dataset, fees);
        job = ++jobCount;
        owed = price + order.maxFee;
        uint32 seats = uint32(providers.seatCount());
        Stored storage stored = _jobs[job];
        // Word by word and nothing in between, so that each is written once.
        stored.buyer = msg.sender;
        stored.state = State.OPEN;
        stored.deadline = uint32(block.timestamp + drawWindow);
        stored.price = earned;
        stored.maxFee = fees;
        stored.units = order.units;
        stored.license = uint32(order.license);
        stored.dataset = uint32(dataset);
        stored.offer = uint32(offer);
        stored.seedBlock = uint32(block.number + 1);
        stored.openedBlock = uint32(block.number);
        stored.rows = uint32(order.rows);
        stored.seats = seats;
        stored.replicas = order.replicas;
        _announce(job, dataset, price, order);
    }

    /// @dev What a dispute needs to know of the order; the program is the buyer's statement, which executors check.
    function _bindProgram(uint256 job, Order calldata order, bytes32 program) private {
        if (program == bytes32(0)) revert ZeroProgram();
        orderDigest[job] = keccak256(abi.encode(order.circuit, order.firstRow, order.rows, order.content, program));
        emit ProgramStated(job, program);
    }

    function _announce(uint256 job, uint256 dataset, uint256 price, Order calldata order) private {
        emit JobOpened(
            job,
            dataset,
            msg.sender,
            order.license,
            order.version,
            order.circuit,
            order.firstRow,
            order.rows,
            order.sealingKey,
            order.units,
            order.replicas,
            price,
            order.maxFee
        );
    }

    function _expired(uint256 job, Stored storage stored, uint256 owed) private {
        emit JobExpired(job, stored.state);
        _close(stored, State.EXPIRED);
        licenses.restore(stored.license, stored.rows);
        _unhold(job, stored, owed);
        _refund(job, stored.buyer, uint256(stored.price) + stored.maxFee);
    }

    function _ownerOf(uint256 dataset) internal view override(Approvals, Wired) returns (address) {
        return Wired._ownerOf(dataset);
    }
}
