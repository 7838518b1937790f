// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IProviderRegistry} from "./interfaces/IProviderRegistry.sol";
import {Settlement} from "./Settlement.sol";

/// @title A job's rounds: draw, commit, reveal; and again, among others, until enough digests agree
abstract contract Rounds is Settlement {
    /// @notice Draw the executors that are needed. Anyone may call; a keeper's call costs it only gas, and whatever
    ///         dead seats it meets pay for that. A table too large for one call takes several, which see other seats
    ///         each.
    /// @dev A block hash can be read for 256 blocks. When it is gone a new seed block is armed: nobody can re-roll a
    ///      draw without keeping everybody else from drawing for that long.
    function draw(uint256 job) external nonReentrant {
        Stored storage stored = _jobs[job];
        if (stored.state != State.OPEN && stored.state != State.DISPUTED) revert WrongState(job, stored.state);
        _checkRunning(job, stored);
        _checkOpen(job, stored);
        uint256 seedBlock = stored.seedBlock;
        if (block.number <= seedBlock) revert DrawTooEarly(job, seedBlock);
        bytes32 entropy = blockhash(seedBlock);
        if (entropy == bytes32(0)) {
            emit DrawArmed(job, _arm(stored));
            return;
        }
        uint256 needed = _missing(job, stored);
        (address[] memory drawn, uint256[] memory fees) = _drawFrom(job, stored, needed, entropy);
        uint256 first = stored.drawn;
        for (uint256 i = 0; i < drawn.length; ++i) {
            (address provider, uint96 fee) = (drawn[i], uint96(fees[i]));
            StoredExecution storage execution = _executions[job][first + i];
            execution.provider = provider;
            execution.fee = fee;
        }
        stored.drawn = uint8(first + drawn.length);
        if (drawn.length < needed) {
            uint256 batches = uint256(stored.batches) + 1;
            if (batches > type(uint8).max) revert IProviderRegistry.NotEnoughProviders(drawn.length, needed);
            stored.batches = uint8(batches);
            emit DrawContinued(job, drawn, fees);
            return;
        }
        _enter(stored, State.ASSIGNED, commitWindow);
        emit JobAssigned(job, drawn, fees, stored.deadline);
    }

    /// @notice Commit to a receipt without showing it. This is also how a drawn provider accepts.
    function commit(uint256 job, bytes32 commitment) external {
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

    /// @notice Leave a job instead of committing, at no loss: whoever cannot fetch a circuit, or finds that it costs
    ///         more than the order says, must not have to choose between a loss and a stake. Another executor is drawn.
    function decline(uint256 job) external {
        Stored storage stored = _inState(job, State.ASSIGNED);
        _checkOpen(job, stored);
        uint256 index = _indexOf(job, stored, msg.sender);
        if (_has(stored.committed, index)) revert AlreadyCommitted(job, msg.sender);
        stored.out |= uint16(1 << index);
        emit Declined(job, msg.sender);
        _unlock(job, stored, ~(uint256(1) << index), 0);
        _afterCommitment(job, stored);
    }

    /// @notice Show the receipt committed to. Only when every executor has committed, so that nobody can copy.
    function reveal(uint256 job, bytes32 receipt, bytes32 salt) external {
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
        if (_allRevealed(stored)) _conclude(job, stored);
    }

    /// @dev The seats are counted now, while the seed is unknown; later comers are not in this draw.
    function _arm(Stored storage stored) internal returns (uint256 seedBlock) {
        seedBlock = block.number + 1;
        stored.seedBlock = uint32(seedBlock);
        stored.seats = uint32(providers.seatCount());
        if (stored.batches != 0) stored.batches = 0;
    }

    /// @dev Deadline passed: the silent are slashed, and what is there then is enough or is not.
    function _expireRound(uint256 job, Stored storage stored) internal {
        uint256 done = _allCommitted(stored) ? stored.revealed : stored.committed;
        uint256 out = stored.out;
        uint256 drawn = stored.drawn;
        for (uint256 i = 0; i < drawn; ++i) {
            if (_has(done | out, i)) continue;
            stored.out |= uint16(1 << i);
            // Nobody is owed anything for a wait: the stake is burned.
            _slash(job, stored, i, true, 0);
        }
        _conclude(job, stored);
    }

    /// @dev No agreement within the bounds, or nobody left who was not convicted. Nobody can tell the honest from the others, so nobody is paid, no bond but
    ///      that of the silent is lost, and the buyer has everything back. A contest leaves the result that it could
    ///      not refute.
    function _giveUp(uint256 job, Stored storage stored) internal {
        if (stored.contestedFrom != 0) {
            (bytes32 receipt,,) = _outcome(job, stored);
            if (receipt != 0) return _computed(job, stored, receipt);
        }
        _close(stored, State.FAILED);
        emit JobFailed(job);
        _unlock(job, stored, stored.out, 0);
        licenses.restore(stored.license, stored.rows);
        _unhold(job, stored, 0);
        _refund(job, stored.buyer, uint256(stored.price) + stored.maxFee);
    }

    /// @dev One call's seats. Its seed has the number of the calls before it, which saw as many other choices of seats.
    function _drawFrom(uint256 job, Stored storage stored, uint256 needed, bytes32 entropy)
        private
        returns (address[] memory drawn, uint256[] memory fees)
    {
        uint256 bounty;
        (drawn, fees, bounty) = providers.draw(
            IProviderRegistry.Call({
                seed: keccak256(abi.encode(entropy, block.chainid, address(this), job, stored.batches)),
                needed: needed,
                seats: stored.seats,
                before: stored.seedBlock,
                units: stored.units,
                feeCap: _feeCap(job, stored),
                excluded: _excluded(job, stored)
            })
        );
        if (bounty == 0) return (drawn, fees);
        _credit(msg.sender, bounty);
        emit EvictionPaid(job, msg.sender, bounty);
    }

    /// @dev Most that one executor may earn: its part of the escrow, and in a contest of the stakes that pay for it if
    ///      the result falls.
    function _feeCap(uint256 job, Stored storage stored) private view returns (uint256 cap) {
        cap = stored.maxFee / stored.replicas;
        uint256 from = stored.contestedFrom;
        if (from == 0) return cap;
        (bytes32 first,) = _leading(job, stored, from);
        if (first == 0) return cap;
        uint256 winners = _agreeing(job, stored, first, from);
        uint256 stakes = 0;
        for (uint256 i = 0; i < from; ++i) {
            if (_has(winners, i)) stakes += providers.stakeFor(_executions[job][i].fee);
        }
        return Math.min(cap, stakes / (stored.replicas + 1));
    }

    /// @dev When everybody has answered the draw: reveals, or another draw for those who declined.
    function _afterCommitment(uint256 job, Stored storage stored) private {
        if (!_allCommitted(stored)) return;
        if (_missing(job, stored) > 0) return _redraw(job, stored);
        stored.deadline = uint32(block.timestamp + revealWindow);
        emit RevealsOpen(job, stored.deadline);
    }

    /// @dev Enough equal digests make the result; too few ask for others.
    function _conclude(uint256 job, Stored storage stored) private {
        (bytes32 best, uint256 equal) = _leading(job, stored, stored.drawn);
        if (equal >= _quorum(stored)) _computed(job, stored, best);
        else _redraw(job, stored);
    }

    function _computed(uint256 job, Stored storage stored, bytes32 receipt) internal {
        _enter(stored, State.COMPUTED, releaseWindow);
        emit JobComputed(job, receipt, stored.deadline);
    }

    /// @dev Ask for more executors, or give up when the bounds of rounds or executors are reached.
    function _redraw(uint256 job, Stored storage stored) internal {
        uint256 round = stored.round + 1;
        // Enough is left for a contest to hear as many as it must.
        uint256 most = stored.contestedFrom == 0 ? MAX_DRAWN - (stored.replicas + 1) : MAX_DRAWN;
        if (round >= MAX_ROUNDS || stored.drawn + _missing(job, stored) > most) {
            _giveUp(job, stored);
            return;
        }
        stored.round = uint8(round);
        _enter(stored, State.DISPUTED, drawWindow);
        emit JobDisputed(job, uint8(round), _arm(stored));
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
}
