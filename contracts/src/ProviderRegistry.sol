// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IProviderRegistry} from "./interfaces/IProviderRegistry.sol";
import {Permits} from "./Permits.sol";
import {Shuffle} from "./Shuffle.sol";

/// @title Compute providers: bonds, terms, signs of life, and the draw
/// @notice A provider puts a bond down and takes a seat. A job draws seats at random and holds a stake of each drawn
///         provider's bond until its part is over, so that one bond never answers for two lies.
/// @dev Seats are never moved and a freed seat is only filled by somebody whom a pending draw will not accept: after the
///      randomness is known, nobody can shift who sits where. Leaving helps only those drawn after the one who leaves.
contract ProviderRegistry is IProviderRegistry, Permits, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using Shuffle for Shuffle.Deck;

    struct Record {
        uint96 bond;
        uint96 locked;
        uint40 heartbeat;
        uint96 price;
        uint64 capacity;
        uint40 unbonding;
        uint32 seat;
    }

    struct Seat {
        address provider;
        uint48 since;
    }

    /// @notice Seats that one draw looks at before it gives up: the bound on its gas.
    uint256 public constant MAX_PROBES = 32;
    /// @notice A job holds this many times its fee: lying for a fee must cost more than the fee could ever bring.
    uint256 public constant STAKE_MULTIPLE = 10;

    address public immutable jobMarket;
    /// @notice The least stake a job holds, and the least bond that takes a seat.
    uint256 public immutable stakeFloor;
    /// @notice Seconds between `unbond` and the bond's return.
    uint256 public immutable unbondingDelay;
    /// @notice Seconds for which a heartbeat counts as a sign of life.
    uint256 public immutable heartbeatWindow;

    mapping(address provider => Record) private _records;
    Seat[] private _seats;
    /// @dev Numbers of empty seats, to be filled before the table grows.
    uint32[] private _free;

    constructor(
        IERC20 token_,
        address jobMarket_,
        uint256 stakeFloor_,
        uint256 unbondingDelay_,
        uint256 heartbeatWindow_
    ) Permits(token_) {
        jobMarket = jobMarket_;
        stakeFloor = stakeFloor_;
        unbondingDelay = unbondingDelay_;
        heartbeatWindow = heartbeatWindow_;
    }

    modifier onlyJobMarket() {
        if (msg.sender != jobMarket) revert OnlyJobMarket(msg.sender);
        _;
    }

    /// @inheritdoc IProviderRegistry
    /// @notice Add `amount` to the bond, state the terms, and take a seat. Also ends an unbonding that was under way.
    function bond(uint256 amount, uint96 price, uint64 capacity) external nonReentrant {
        _bond(amount, price, capacity);
    }

    /// @inheritdoc IProviderRegistry
    function bondWithPermit(
        uint256 amount,
        uint96 price,
        uint64 capacity,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant {
        _permit(amount, deadline, v, r, s);
        _bond(amount, price, capacity);
    }

    /// @inheritdoc IProviderRegistry
    /// @dev Applies to later draws; a drawn provider's fee is fixed by the draw.
    function setTerms(uint96 price, uint64 capacity) external {
        Record storage record = _serving(msg.sender);
        _setTerms(record, price, capacity);
    }

    /// @inheritdoc IProviderRegistry
    /// @notice Say that one is alive; takes a seat again after a suspension or an eviction.
    function heartbeat() external {
        Record storage record = _serving(msg.sender);
        record.heartbeat = uint40(block.timestamp);
        if (record.seat == 0) _sit(record, msg.sender);
        emit Heartbeat(msg.sender);
    }

    /// @inheritdoc IProviderRegistry
    /// @notice Stop serving. Jobs already drawn go on, and their stakes stay held.
    function unbond() external {
        Record storage record = _records[msg.sender];
        if (record.unbonding != 0) revert AlreadyUnbonding(msg.sender);
        if (record.bond == 0) revert NotBonded(msg.sender);
        uint256 until = block.timestamp + unbondingDelay;
        record.unbonding = uint40(until);
        if (record.seat != 0) _rise(record, msg.sender);
        emit Unbonding(msg.sender, until);
    }

    /// @inheritdoc IProviderRegistry
    /// @dev Waits for every stake to be let go; each job ends within its deadlines, whoever stays silent.
    function withdrawBond() external nonReentrant returns (uint256 amount) {
        Record storage record = _records[msg.sender];
        if (record.unbonding == 0) revert NotUnbonding(msg.sender);
        if (block.timestamp < record.unbonding) revert UnbondingUntil(record.unbonding);
        if (record.locked != 0) revert BondLocked(record.locked);
        amount = record.bond;
        delete _records[msg.sender];
        emit BondWithdrawn(msg.sender, amount);
        token.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IProviderRegistry
    /// @dev Keeps the table dense: dead seats would use up the draws' probes.
    function evict(address provider) external {
        Record storage record = _records[provider];
        if (record.seat == 0) revert NotBonded(provider);
        if (_alive(record)) revert StillAlive(provider);
        _rise(record, provider);
    }

    /// @inheritdoc IProviderRegistry
    /// @dev Walks a random order of the seats and takes the first `needed` that may serve: every willing provider is as
    ///      likely as any other.
    function draw(Call calldata call) external onlyJobMarket returns (address[] memory drawn, uint256[] memory fees) {
        drawn = new address[](call.needed);
        fees = new uint256[](call.needed);
        uint256 probes = call.seats < MAX_PROBES ? call.seats : MAX_PROBES;
        Shuffle.Deck memory deck = Shuffle.deck(call.seed, call.seats, probes);
        uint256 found = 0;
        while (found < call.needed && deck.dealt < probes) {
            Seat memory seat = _seats[deck.next()];
            if (seat.provider == address(0) || seat.since >= call.before) continue;
            if (_contains(call.excluded, seat.provider)) continue;
            (bool willing, uint256 fee) = _lock(_records[seat.provider], call.units, call.feeCap);
            if (!willing) continue;
            drawn[found] = seat.provider;
            fees[found] = fee;
            ++found;
        }
        if (found < call.needed) revert NotEnoughProviders(found, call.needed);
    }

    /// @inheritdoc IProviderRegistry
    function unlock(address provider, uint256 fee) external onlyJobMarket {
        _records[provider].locked -= uint96(stakeFor(fee));
    }

    /// @inheritdoc IProviderRegistry
    function slash(address provider, uint256 fee, bool suspend) external onlyJobMarket returns (uint256 amount) {
        Record storage record = _records[provider];
        amount = stakeFor(fee);
        record.locked -= uint96(amount);
        record.bond -= uint96(amount);
        if (suspend) record.heartbeat = 0;
        if (record.seat != 0 && record.bond < stakeFloor) _rise(record, provider);
        emit Slashed(provider, amount, record.bond);
        token.safeTransfer(jobMarket, amount);
    }

    /// @inheritdoc IProviderRegistry
    function get(address provider) external view returns (Provider memory) {
        Record storage record = _records[provider];
        return Provider({
            bond: record.bond,
            locked: record.locked,
            price: record.price,
            capacity: record.capacity,
            heartbeat: record.heartbeat,
            unbonding: record.unbonding,
            seat: record.seat
        });
    }

    /// @inheritdoc IProviderRegistry
    function seatAt(uint256 seat) external view returns (address) {
        return _seats[seat - 1].provider;
    }

    /// @inheritdoc IProviderRegistry
    function seatCount() external view returns (uint256) {
        return _seats.length;
    }

    /// @inheritdoc IProviderRegistry
    /// @dev For readers off chain; no contract calls it.
    function providers() external view returns (address[] memory seated) {
        uint256 count = _seats.length;
        seated = new address[](count - _free.length);
        uint256 next = 0;
        for (uint256 i = 0; i < count; ++i) {
            if (_seats[i].provider != address(0)) seated[next++] = _seats[i].provider;
        }
    }

    /// @inheritdoc IProviderRegistry
    function stakeFor(uint256 fee) public view returns (uint256) {
        uint256 stake = fee * STAKE_MULTIPLE;
        return stake < stakeFloor ? stakeFloor : stake;
    }

    function _bond(uint256 amount, uint96 price, uint64 capacity) private {
        Record storage record = _records[msg.sender];
        uint256 total = record.bond + amount;
        if (total < stakeFloor) revert BondTooSmall(total, stakeFloor);
        if (total > type(uint96).max) revert BadProviderTerms();
        record.bond = uint96(total);
        record.heartbeat = uint40(block.timestamp);
        record.unbonding = 0;
        _setTerms(record, price, capacity);
        if (record.seat == 0) _sit(record, msg.sender);
        emit Bonded(msg.sender, amount, total);
        if (amount > 0) token.safeTransferFrom(msg.sender, address(this), amount);
    }

    function _setTerms(Record storage record, uint96 price, uint64 capacity) private {
        if (capacity == 0) revert BadProviderTerms();
        record.price = price;
        record.capacity = capacity;
        emit TermsSet(msg.sender, price, capacity);
    }

    function _sit(Record storage record, address provider) private {
        uint256 index;
        if (_free.length > 0) {
            index = _free[_free.length - 1];
            _free.pop();
        } else {
            index = _seats.length;
            _seats.push();
        }
        _seats[index] = Seat({provider: provider, since: uint48(block.number)});
        record.seat = uint32(index + 1);
        emit Seated(provider, index + 1);
    }

    function _rise(Record storage record, address provider) private {
        uint256 seat = record.seat;
        delete _seats[seat - 1];
        _free.push(uint32(seat - 1));
        record.seat = 0;
        emit Unseated(provider, seat);
    }

    /// @dev Holds the stake if the provider can and will serve this job.
    function _lock(Record storage record, uint64 units, uint256 feeCap) private returns (bool willing, uint256 fee) {
        if (units > record.capacity || !_alive(record)) return (false, 0);
        fee = uint256(record.price) * units;
        if (fee > feeCap) return (false, 0);
        uint256 stake = stakeFor(fee);
        if (uint256(record.bond) - record.locked < stake) return (false, 0);
        record.locked += uint96(stake);
        return (true, fee);
    }

    function _alive(Record storage record) private view returns (bool) {
        return record.heartbeat + heartbeatWindow >= block.timestamp;
    }

    function _serving(address provider) private view returns (Record storage record) {
        record = _records[provider];
        if (record.unbonding != 0) revert AlreadyUnbonding(provider);
        if (record.bond < stakeFloor || record.bond == 0) revert NotBonded(provider);
    }

    function _contains(address[] calldata list, address account) private pure returns (bool) {
        for (uint256 i = 0; i < list.length; ++i) {
            if (list[i] == account) return true;
        }
        return false;
    }
}
