// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Approvals} from "./Approvals.sol";
import {Guarded} from "./Guarded.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {ILicenseMarket} from "./interfaces/ILicenseMarket.sol";
import {IProviderRegistry} from "./interfaces/IProviderRegistry.sol";
import {LicenseMarket} from "./LicenseMarket.sol";
import {Payments} from "./Payments.sol";
import {Permits} from "./Permits.sol";
import {ProviderRegistry} from "./ProviderRegistry.sol";

/// @title Jobs from escrow to settlement
/// @notice A buyer funds a job; chance picks the executors; they commit to a digest before any of them shows one; as many
///         equal digests as the buyer asked for make a result; the dataset's custodian releases it or refuses. Every
///         state has a deadline after which anyone may call `expire`, and every way out pays everybody off.
/// @dev The seed of a draw is the hash of the block after the one that armed it. Whoever does not build that block has no
///      influence on it; whoever builds it can try T variants, and gets all r executors from a fraction f of the bonded
///      seats with probability at most 1 - (1 - f^r)^T instead of f^r. Every party of a dispute is drawn the same way.
contract JobMarket is Payments, Guarded, Approvals {
    using SafeCast for uint256;

    struct Windows {
        uint32 draw;
        uint32 commit;
        uint32 reveal;
        uint32 release;
    }

    /// @notice Most executors whose digests must agree.
    uint256 public constant MAX_REPLICAS = 5;
    /// @notice Most draws a job may need: the first and three more after silence or disagreement.
    uint256 public constant MAX_ROUNDS = 4;
    /// @notice Most executors a job may draw in all: the width of the bit fields.
    uint256 public constant MAX_DRAWN = 16;

    IDatasetRegistry public immutable datasets;
    ILicenseMarket public immutable licenses;
    IProviderRegistry public immutable providers;
    /// @notice Seconds from opening or dispute to the draw, from the draw to the commitments, from the last commitment to the
    ///         receipts, from the agreed receipt to the custodian's answer.
    uint32 public immutable drawWindow;
    uint32 public immutable commitWindow;
    uint32 public immutable revealWindow;
    uint32 public immutable releaseWindow;

    /// @dev The three contracts know each other's addresses for good, so a mistake in them must not survive deployment.
    constructor(
        IERC20 token_,
        IDatasetRegistry datasets_,
        LicenseMarket licenses_,
        ProviderRegistry providers_,
        address guardian_,
        Windows memory windows
    ) Permits(token_) Guarded(guardian_) {
        if (
            licenses_.jobMarket() != address(this) || providers_.jobMarket() != address(this)
                || address(licenses_.token()) != address(token_) || address(providers_.token()) != address(token_)
                || address(licenses_.datasets()) != address(datasets_) || windows.draw == 0 || windows.commit == 0
                || windows.reveal == 0 || windows.release == 0
        ) revert WiringWrong();
        datasets = datasets_;
        licenses = licenses_;
        providers = providers_;
        drawWindow = windows.draw;
        commitWindow = windows.commit;
        revealWindow = windows.reveal;
        releaseWindow = windows.release;
    }

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

    /// @notice Draw the executors that are needed. Anyone may call; a keeper's call costs it only gas.
    /// @dev A block hash can be read for 256 blocks. When it is gone a new seed block is armed: nobody can re-roll a draw
    ///      without keeping everybody else from drawing for that long.
    function draw(uint256 job) external nonReentrant {
        Stored storage stored = _jobs[job];
        if (stored.state != State.OPEN && stored.state != State.DISPUTED) revert WrongState(job, stored.state);
        _checkOpen(job, stored);
        uint256 seedBlock = stored.seedBlock;
        if (block.number <= seedBlock) revert DrawTooEarly(job, seedBlock);
        bytes32 entropy = blockhash(seedBlock);
        if (entropy == bytes32(0)) {
            emit DrawArmed(job, _arm(stored));
            return;
        }
        (address[] memory drawn, uint256[] memory fees) = providers.draw(
            IProviderRegistry.Call({
                seed: keccak256(abi.encode(entropy, block.chainid, address(this), job)),
                needed: _missing(job, stored),
                seats: stored.seats,
                before: seedBlock,
                units: stored.units,
                feeCap: stored.maxFee / stored.replicas,
                excluded: _excluded(job, stored)
            })
        );
        uint256 first = stored.drawn;
        for (uint256 i = 0; i < drawn.length; ++i) {
            StoredExecution storage execution = _executions[job][first + i];
            execution.provider = drawn[i];
            execution.fee = uint96(fees[i]);
        }
        stored.drawn = uint8(first + drawn.length);
        _enter(stored, State.ASSIGNED, commitWindow);
        emit JobAssigned(job, drawn, fees, stored.deadline);
    }

    /// @notice Commit to a receipt without showing it. This is also how a drawn provider accepts.
    function commit(uint256 job, bytes32 commitment) external nonReentrant {
        Stored storage stored = _inState(job, State.ASSIGNED);
        _checkOpen(job, stored);
        if (commitment == bytes32(0)) revert ZeroCommitment();
        uint256 index = _indexOf(job, stored, msg.sender);
        if (_has(stored.committed, index)) revert AlreadyCommitted(job, msg.sender);
        stored.committed |= uint16(1 << index);
        _executions[job][index].digest = commitment;
        emit Committed(job, msg.sender, commitment);
        _afterCommitment(job, stored);
    }

    /// @notice Leave a job instead of committing, at no loss: whoever cannot fetch a circuit, or finds that it costs more than
    ///         the order says, must not have to choose between a loss and a stake. Another executor is drawn.
    function decline(uint256 job) external nonReentrant {
        Stored storage stored = _inState(job, State.ASSIGNED);
        _checkOpen(job, stored);
        uint256 index = _indexOf(job, stored, msg.sender);
        if (_has(stored.committed, index)) revert AlreadyCommitted(job, msg.sender);
        stored.out |= uint16(1 << index);
        emit Declined(job, msg.sender);
        providers.unlock(msg.sender, _executions[job][index].fee);
        _afterCommitment(job, stored);
    }

    /// @notice Show the receipt committed to. Only when every executor has committed, so that nobody can copy.
    function reveal(uint256 job, bytes32 receipt, bytes32 salt) external nonReentrant {
        Stored storage stored = _inState(job, State.ASSIGNED);
        _checkOpen(job, stored);
        uint256 index = _indexOf(job, stored, msg.sender);
        if (_has(stored.revealed, index)) revert AlreadyRevealed(job, msg.sender);
        if (!_allCommitted(stored)) revert RevealsNotOpen(job);
        StoredExecution storage execution = _executions[job][index];
        if (receipt == bytes32(0)) revert ZeroDigest();
        if (execution.digest != commitmentFor(job, msg.sender, receipt, salt)) revert WrongReveal(job, msg.sender);
        stored.revealed |= uint16(1 << index);
        execution.digest = receipt;
        emit Revealed(job, msg.sender, receipt);
        if (!_allRevealed(stored)) return;
        (bytes32 best, uint256 equal) = _leading(job, stored);
        if (equal == stored.replicas) _computed(job, stored, best);
        else _redraw(job, stored);
    }

    /// @notice The custodian hands the sealed result over, unless the owner denied it; the dataset's beneficiaries have
    ///         earned the price.
    function release(uint256 job, bytes32 sealedDigest, bytes32 decision) external {
        Stored storage stored = _answered(job, decision);
        if (sealedDigest == bytes32(0)) revert ZeroDigest();
        if (stored.approval == Approval.DENIED) revert DeniedByOwner(job);
        _close(stored, State.SETTLED);
        emit JobReleased(job, sealedDigest, decision);
        _earn(stored.offer, stored.price);
        emit JobSettled(job);
    }

    /// @notice The custodian refuses under the output policy. The buyer has the price back; the executors did their work and
    ///         keep their fees; the license's use stays used, or probing a policy would be free.
    function refuse(uint256 job, bytes32 reason, bytes32 decision) external {
        Stored storage stored = _answered(job, decision);
        if (reason == bytes32(0)) revert ZeroDigest();
        _close(stored, State.REFUSED);
        emit JobRefused(job, reason, decision);
        _refund(job, stored.buyer, stored.price);
    }

    /// @notice Move a job whose deadline has passed. Anyone may call.
    function expire(uint256 job) external nonReentrant {
        Stored storage stored = _jobs[job];
        State state = stored.state;
        if (state == State.NONE || _terminal(state)) revert WrongState(job, state);
        if (block.timestamp <= stored.deadline) revert DeadlineNotReached(job, stored.deadline);
        if (state == State.OPEN) {
            _expired(job, stored, uint256(stored.price) + stored.maxFee);
        } else if (state == State.ASSIGNED) {
            _slashSilent(job, stored);
            _redraw(job, stored);
        } else if (state == State.DISPUTED) {
            _failed(job, stored);
        } else {
            uint256 penalty = _takeEarnings(stored.offer, Math.min(stored.price, _feesPaid(job, stored)));
            if (penalty > 0) emit CustodianPenalized(job, stored.offer, penalty);
            _expired(job, stored, stored.price + penalty);
        }
    }

    function _open(Order calldata order) private returns (uint256 job, uint256 owed) {
        if (order.circuit == bytes32(0) || order.sealingKey == bytes32(0) || order.units == 0) revert BadOrder();
        if (order.replicas == 0 || order.replicas > MAX_REPLICAS) revert BadReplicas(order.replicas);
        (uint256 offer, uint256 dataset, uint256 price, uint16 version) =
            licenses.consume(order.license, msg.sender, order.firstRow, order.rows);
        job = ++jobCount;
        Stored storage stored = _jobs[job];
        stored.buyer = msg.sender;
        stored.replicas = order.replicas;
        stored.price = price.toUint96();
        stored.maxFee = order.maxFee.toUint96();
        stored.units = order.units;
        stored.license = uint32(order.license);
        stored.dataset = uint32(dataset);
        stored.offer = uint32(offer);
        stored.openedBlock = uint32(block.number);
        stored.rows = uint32(order.rows);
        _enter(stored, State.OPEN, drawWindow);
        owed = price + order.maxFee;
        _arm(stored);
        _announce(job, dataset, version, price, order);
    }

    function _announce(uint256 job, uint256 dataset, uint16 version, uint256 price, Order calldata order) private {
        emit JobOpened(
            job,
            dataset,
            msg.sender,
            order.license,
            version,
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

    /// @dev The seats are counted now, while the seed is unknown; later comers are not in this draw.
    function _arm(Stored storage stored) private returns (uint256 seedBlock) {
        seedBlock = block.number + 1;
        stored.seedBlock = uint32(seedBlock);
        stored.seats = uint32(providers.seatCount());
    }

    /// @dev When everybody has answered the draw: reveals, or another draw for those who declined.
    function _afterCommitment(uint256 job, Stored storage stored) private {
        if (!_allCommitted(stored)) return;
        if (_missing(job, stored) > 0) return _redraw(job, stored);
        stored.deadline = uint40(block.timestamp + revealWindow);
        emit RevealsOpen(job, stored.deadline);
    }

    /// @dev Agreement: the diligent are paid at once, whatever the custodian does next; each of the others loses its stake
    ///      to them; what the executors did not cost goes back.
    function _computed(uint256 job, Stored storage stored, bytes32 receipt) private {
        _enter(stored, State.COMPUTED, releaseWindow);
        uint256 pot = _pot[job];
        if (pot > 0) _pot[job] = 0;
        uint256 drawn = stored.drawn;
        for (uint256 i = 0; i < drawn; ++i) {
            StoredExecution storage execution = _executions[job][i];
            if (!_has(stored.revealed, i) || execution.digest == receipt) continue;
            uint256 taken = providers.slash(execution.provider, execution.fee, false);
            pot += taken;
            emit ExecutorSlashed(job, execution.provider, taken, false);
        }
        uint256 bonus = pot / stored.replicas;
        uint256 left = stored.maxFee + pot;
        for (uint256 i = 0; i < drawn; ++i) {
            StoredExecution storage execution = _executions[job][i];
            if (!_has(stored.revealed, i) || execution.digest != receipt) continue;
            uint256 amount = execution.fee + bonus;
            left -= amount;
            providers.unlock(execution.provider, execution.fee);
            _credit(execution.provider, amount);
            emit PaymentReleased(job, execution.provider, amount);
        }
        emit JobComputed(job, receipt, stored.deadline);
        _refund(job, stored.buyer, left);
    }

    /// @dev Ask for more executors, or give up when the bounds of rounds or executors are reached.
    function _redraw(uint256 job, Stored storage stored) private {
        uint256 round = stored.round + 1;
        if (round >= MAX_ROUNDS || stored.drawn + _missing(job, stored) > MAX_DRAWN) {
            _failed(job, stored);
            return;
        }
        stored.round = uint8(round);
        _enter(stored, State.DISPUTED, drawWindow);
        emit JobDisputed(job, uint8(round), _arm(stored));
    }

    /// @dev Whoever has not done what the phase asked for loses its stake, its place in the job, and its seat's liveness.
    function _slashSilent(uint256 job, Stored storage stored) private {
        uint256 done = _allCommitted(stored) ? stored.revealed : stored.committed;
        uint256 out = stored.out;
        uint256 drawn = stored.drawn;
        uint256 pot = _pot[job];
        for (uint256 i = 0; i < drawn; ++i) {
            if (_has(done | out, i)) continue;
            stored.out |= uint16(1 << i);
            StoredExecution storage execution = _executions[job][i];
            uint256 taken = providers.slash(execution.provider, execution.fee, true);
            pot += taken;
            emit ExecutorSlashed(job, execution.provider, taken, true);
        }
        _pot[job] = pot;
    }

    /// @dev No agreement within the bounds. Nobody can tell the honest from the others, so nobody is paid and no bond but
    ///      that of the silent is lost; the buyer has everything back, and the stakes of the silent for the wait.
    function _failed(uint256 job, Stored storage stored) private {
        uint256 drawn = stored.drawn;
        for (uint256 i = 0; i < drawn; ++i) {
            if (_has(stored.out, i)) continue;
            StoredExecution storage execution = _executions[job][i];
            providers.unlock(execution.provider, execution.fee);
        }
        uint256 pot = _pot[job];
        if (pot > 0) _pot[job] = 0;
        _close(stored, State.FAILED);
        emit JobFailed(job);
        licenses.restore(stored.license, stored.rows);
        _refund(job, stored.buyer, uint256(stored.price) + stored.maxFee + pot);
    }

    function _expired(uint256 job, Stored storage stored, uint256 refund) private {
        emit JobExpired(job, stored.state);
        _close(stored, State.EXPIRED);
        licenses.restore(stored.license, stored.rows);
        _refund(job, stored.buyer, refund);
    }

    function _refund(uint256 job, address buyer, uint256 amount) private {
        if (amount == 0) return;
        _credit(buyer, amount);
        emit Refunded(job, buyer, amount);
    }

    function _enter(Stored storage stored, State state, uint256 window) private {
        stored.state = state;
        stored.deadline = uint40(block.timestamp + window);
    }

    function _close(Stored storage stored, State state) private {
        stored.state = state;
        stored.deadline = uint40(block.number);
    }

    /// @dev Neither those who paid, nor those who gain by the result, nor anyone for the second time.
    function _excluded(uint256 job, Stored storage stored) private view returns (address[] memory list) {
        uint256 drawn = stored.drawn;
        list = new address[](3 + drawn);
        list[0] = stored.buyer;
        (list[1], list[2]) = datasets.parties(stored.dataset);
        for (uint256 i = 0; i < drawn; ++i) {
            list[3 + i] = _executions[job][i].provider;
        }
    }

    /// @dev The job that the custodian, in time, answers.
    function _answered(uint256 job, bytes32 decision) private view returns (Stored storage stored) {
        stored = _inState(job, State.COMPUTED);
        _checkOpen(job, stored);
        (, address custodian) = datasets.parties(stored.dataset);
        if (custodian != msg.sender) revert NotCustodian(job, msg.sender);
        if (decision == bytes32(0)) revert ZeroDigest();
    }

    function _ownerOf(uint256 dataset) internal view override returns (address owner) {
        (owner,) = datasets.parties(dataset);
    }

    function _shares(uint256 offer) internal view override returns (ILicenseMarket.Share[] memory) {
        return licenses.sharesOf(offer);
    }
}
