// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProviderRegistry} from "./interfaces/IProviderRegistry.sol";

/// @title The table of seats that draws choose from
/// @notice A draw's seed is the hash of its block `before`, and what it is applied to is the table as it stood when
///         that block began: whoever sees the seed can only leave the table, which helps those alone whom chance put
///         behind.
/// @dev A seat that somebody takes in block `before` or later does not count. A gap is closed by the provider in the
///      last seat, which counts in its new seat for later draws only; for the earlier ones its old seat stays behind as
///      a ghost. A ghost is needed for as long as the hash of any block before the move can be read, and until then no
///      second one may take its place: the gap stays, for a newcomer or for `_compact` to close.
abstract contract Seats is IProviderRegistry {
    struct Seat {
        address provider;
        uint48 since;
    }

    /// @param since first block after which the provider sat here
    /// @param until block in which it was moved on
    struct Ghost {
        address provider;
        uint48 since;
        uint48 until;
    }

    /// @dev Blocks for which a block's hash can be read.
    uint256 private constant MEMORY = 256;
    /// @dev Entries of the list of gaps that taking a seat looks at: some may be out of date.
    uint256 private constant TRIES = 4;

    /// @inheritdoc IProviderRegistry
    uint256 public seatCount;

    mapping(uint256 index => Seat) private _seats;
    mapping(uint256 index => Ghost) private _ghosts;
    /// @dev Numbers of gaps; one that was filled or cut off meanwhile is passed over.
    uint32[] private _gaps;

    /// @inheritdoc IProviderRegistry
    function compact(uint256 steps) external {
        _compact(steps);
    }

    /// @inheritdoc IProviderRegistry
    function seatAt(uint256 seat) external view returns (address) {
        return _seats[seat - 1].provider;
    }

    /// @inheritdoc IProviderRegistry
    /// @dev For readers off chain; no contract calls it.
    function providers() external view returns (address[] memory seated) {
        uint256 count = seatCount;
        seated = new address[](count);
        uint256 found = 0;
        for (uint256 i = 0; i < count; ++i) {
            if (_seats[i].provider != address(0)) seated[found++] = _seats[i].provider;
        }
        assembly ("memory-safe") {
            mstore(seated, found)
        }
    }

    /// @dev Who sat at `index` when block `before` began; nobody if it has left, or for a gap.
    function _occupant(uint256 index, uint256 before) internal view returns (address) {
        Seat memory seat = _seats[index];
        if (seat.provider != address(0) && seat.since < before) return seat.provider;
        Ghost memory ghost = _ghosts[index];
        if (ghost.provider == address(0) || ghost.since >= before || ghost.until < before) return address(0);
        return _seatOf(ghost.provider) == 0 ? address(0) : ghost.provider;
    }

    /// @dev Seat a provider in a gap or at the end of the table; its number, counted from 1.
    function _sit(address provider) internal returns (uint256 seat) {
        uint256 count = seatCount;
        uint256 index = count;
        for (uint256 i = 0; i < TRIES && index == count && _gaps.length > 0; ++i) {
            index = _takeGap(count);
        }
        if (index == count) seatCount = count + 1;
        _seats[index] = Seat({provider: provider, since: uint48(block.number)});
        seat = index + 1;
        emit Seated(provider, seat);
    }

    /// @dev Free a seat, and close the gap or remember it.
    function _rise(address provider, uint256 seat) internal {
        delete _seats[seat - 1];
        emit Unseated(provider, seat);
        if (!_close(seat - 1)) _gaps.push(uint32(seat - 1));
    }

    function _compact(uint256 steps) internal {
        for (uint256 i = 0; i < steps && _gaps.length > 0; ++i) {
            uint256 count = seatCount;
            uint256 index = _gaps[_gaps.length - 1];
            if (index >= count || _seats[index].provider != address(0) || _close(index)) _gaps.pop();
            else if (seatCount == count) return;
        }
    }

    /// @dev Cut the table's last seat off, its provider moving to `index` if it is another; whether that gap is gone.
    function _close(uint256 index) private returns (bool) {
        uint256 last = seatCount - 1;
        Seat memory tail = _seats[last];
        if (tail.provider == address(0)) {
            seatCount = last;
            return index == last;
        }
        Ghost memory ghost = _ghosts[last];
        if (ghost.provider != address(0) && ghost.until + MEMORY >= block.number) return false;
        _ghosts[last] = Ghost({provider: tail.provider, since: tail.since, until: uint48(block.number)});
        delete _seats[last];
        _seats[index] = Seat({provider: tail.provider, since: uint48(block.number)});
        seatCount = last;
        _setSeat(tail.provider, index + 1);
        emit SeatMoved(tail.provider, last + 1, index + 1);
        return true;
    }

    /// @dev A gap below `count` from the list; `count` when the next entry is out of date.
    function _takeGap(uint256 count) private returns (uint256 index) {
        index = _gaps[_gaps.length - 1];
        _gaps.pop();
        if (index >= count || _seats[index].provider != address(0)) return count;
    }

    function _seatOf(address provider) internal view virtual returns (uint256);

    function _setSeat(address provider, uint256 seat) internal virtual;
}
