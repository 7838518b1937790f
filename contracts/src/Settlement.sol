// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Custody} from "./Custody.sol";

/// @title Who is paid for a job that was computed, and by whom
/// @notice Fees and stakes wait for the job's end, so that a contest can still find the agreed result wrong. The buyer
///         pays the first `replicas` executors of the result, as it would have without any contest. Those whom a
///         contest called are paid by whom it proves wrong: the liars' stakes if the result fell, the custodian's bond
///         if it stood. The rest of a liar's stake is burned.
abstract contract Settlement is Custody {
    /// @dev Pays or slashes every executor; what of it the buyer's escrow and the custodian's bond have to bear.
    function _payExecutors(uint256 job, Stored storage stored) internal returns (uint256 fees, uint256 owed) {
        uint256 revealed = stored.revealed;
        uint256 winners = revealed;
        bool overturned = false;
        // With no more receipts than the agreement took, and nobody convicted, all of them are the result: no digest has
        // to be read.
        if (stored.contestedFrom != 0 || stored.heard & CONVICTED != 0 || _count(revealed) != stored.replicas) {
            (, winners, overturned) = _outcome(job, stored);
        }
        (fees, owed) = _payWinners(job, stored, winners);
        if (winners != revealed) {
            uint256 covered = _slashLiars(job, stored, revealed & ~winners, overturned ? owed : 0);
            owed -= covered;
        }
    }

    /// @dev Fees of `winners`, the first `replicas` apart from at most as many others and one; ends the holds on all
    ///      bonds but the liars'. More than that many others there are only when a contest found no majority.
    function _payWinners(uint256 job, Stored storage stored, uint256 winners)
        private
        returns (uint256 fees, uint256 extra)
    {
        uint256 replicas = stored.replicas;
        (address[] memory list, uint256[] memory each, uint256 due) =
            _unlock(job, stored, stored.out | (stored.revealed & ~winners), winners);
        uint256 paid = 0;
        for (uint256 k = 0; k < list.length && paid <= 2 * replicas; ++k) {
            if (!_has(due, k)) continue;
            if (paid < replicas) fees += each[k];
            else extra += each[k];
            ++paid;
            _credit(list[k], each[k]);
            emit PaymentReleased(job, list[k], each[k]);
        }
    }

    /// @dev Takes the liars' stakes; up to `owed` of them comes here, for the executors whom their lie made necessary.
    function _slashLiars(uint256 job, Stored storage stored, uint256 liars, uint256 owed)
        private
        returns (uint256 covered)
    {
        uint256 drawn = stored.drawn;
        for (uint256 i = 0; i < drawn; ++i) {
            if (_has(liars, i)) covered += _slash(job, stored, i, false, owed - covered);
        }
    }

    /// @dev Ends all holds of a job but those of the executors in `out`: on whom, for which fees, and which of these
    ///      are in `winners`, by their place in the list.
    function _unlock(uint256 job, Stored storage stored, uint256 out, uint256 winners)
        internal
        returns (address[] memory list, uint256[] memory fees, uint256 due)
    {
        uint256 drawn = stored.drawn;
        uint256 count = 0;
        list = new address[](drawn);
        fees = new uint256[](drawn);
        for (uint256 i = 0; i < drawn; ++i) {
            if (_has(out, i)) continue;
            StoredExecution storage execution = _executions[job][i];
            (list[count], fees[count]) = (execution.provider, execution.fee);
            if (_has(winners, i)) due |= 1 << count;
            ++count;
        }
        if (count == 0) return (new address[](0), new uint256[](0), 0);
        assembly ("memory-safe") {
            mstore(list, count)
            mstore(fees, count)
        }
        providers.unlock(list, fees, stored.units);
    }

    function _slash(uint256 job, Stored storage stored, uint256 index, bool silent, uint256 owed)
        internal
        returns (uint256 paid)
    {
        StoredExecution storage execution = _executions[job][index];
        uint256 amount;
        (amount, paid) = providers.slash(execution.provider, execution.fee, stored.units, silent, owed);
        emit ExecutorSlashed(job, execution.provider, amount, silent);
    }
}
