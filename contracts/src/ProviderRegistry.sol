// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IProviderRegistry} from "./interfaces/IProviderRegistry.sol";
import {Permits} from "./Permits.sol";
import {Seats} from "./Seats.sol";
import {Shuffle} from "./Shuffle.sol";

/// @title Compute providers: bonds, terms, signs of life, and the draw
/// @notice A provider puts a bond down and takes a seat. A job draws seats at random and holds a stake of each drawn
///         provider's bond until its part is over, so that one bond never answers for two lies. What a slash takes goes
///         to those who were harmed, up to their harm, and otherwise to nobody: no one may wish for another's mistake.
contract ProviderRegistry is Seats, Permits, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using Shuffle for Shuffle.Deck;

    /// @dev The first word is all that a hold changes. Times of 32 bits last until 2106.
    struct Record {
        uint96 bond;
        uint96 locked;
        uint64 inUse;
        uint48 fixedFee;
        uint48 price;
        uint64 capacity;
        uint32 heartbeat;
        uint32 unbonding;
        uint32 seat;
    }

    /// @notice Prices are for so many units: the price of one, half a millisecond of a core, would round to nothing.
    uint256 public constant PRICED_UNITS = 1_000_000;
    /// @notice Seats that one call of a draw looks at: the bound on its gas.
    uint256 public constant MAX_PROBES = 32;
    /// @notice A job holds this many times its fee: lying for a fee must cost more than the fee could ever bring.
    uint256 public constant STAKE_MULTIPLE = 10;
    /// @notice A dead seat loses this part of the stake floor, which about pays for the gas of finding it.
    uint256 public constant BOUNTY_PART = 200;

    address public immutable jobMarket;
    /// @notice The least stake a job holds, and the least bond that takes a seat.
    uint256 public immutable stakeFloor;
    /// @notice Seconds between `unbond` and the bond's return.
    uint256 public immutable unbondingDelay;
    /// @notice Seconds for which a heartbeat counts as a sign of life.
    uint256 public immutable heartbeatWindow;

    /// @inheritdoc IProviderRegistry
    uint256 public burned;

    mapping(address provider => Record) private _records;

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
    function bond(uint256 amount, uint48 fixedFee, uint48 price, uint64 capacity) external nonReentrant {
        _bond(amount, fixedFee, price, capacity);
    }

    /// @inheritdoc IProviderRegistry
    function bondWithPermit(
        uint256 amount,
        uint48 fixedFee,
        uint48 price,
        uint64 capacity,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant {
        _permit(amount, deadline, v, r, s);
        _bond(amount, fixedFee, price, capacity);
    }

    /// @inheritdoc IProviderRegistry
    /// @dev Applies to later draws; a drawn provider's fee is fixed by the draw.
    function setTerms(uint48 fixedFee, uint48 price, uint64 capacity) external {
        Record storage record = _serving(msg.sender);
        _setTerms(record, fixedFee, price, capacity);
    }

    /// @inheritdoc IProviderRegistry
    /// @notice Say that one is alive; takes a seat again after a suspension or an eviction.
    function heartbeat() external {
        Record storage record = _serving(msg.sender);
        record.heartbeat = uint32(block.timestamp);
        if (record.seat == 0) record.seat = uint32(_sit(msg.sender));
        emit Heartbeat(msg.sender);
    }

    /// @inheritdoc IProviderRegistry
    /// @notice Stop serving. Jobs already drawn go on, and their stakes stay held.
    function unbond() external {
        Record storage record = _records[msg.sender];
        if (record.unbonding != 0) revert AlreadyUnbonding(msg.sender);
        if (record.bond == 0) revert NotBonded(msg.sender);
        uint256 until = block.timestamp + unbondingDelay;
        record.unbonding = uint32(until);
        _leave(msg.sender, record);
        emit Unbonding(msg.sender, until);
    }

    /// @inheritdoc IProviderRegistry
    /// @dev Waits for every stake to be let go; each job ends within its deadlines, whoever stays silent.
    function withdrawBond() external nonReentrant returns (uint256 amount) {
        Record storage record = _records[msg.sender];
        if (record.unbonding == 0) revert NotUnbonding(msg.sender);
        if (block.timestamp < record.unbonding) revert UnbondingUntil(record.unbonding);
        if (record.locked != 0 || record.inUse != 0) revert BondLocked(record.locked);
        amount = record.bond;
        delete _records[msg.sender];
        emit BondWithdrawn(msg.sender, amount);
        token.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IProviderRegistry
    /// @dev Keeps the table dense: dead seats would use up the draws' probes.
    function evict(address provider) external nonReentrant returns (uint256 bounty) {
        Record storage record = _records[provider];
        if (record.seat == 0) revert NotBonded(provider);
        if (_alive(record)) revert StillAlive(provider);
        bounty = _evict(provider, record);
        if (bounty > 0) token.safeTransfer(msg.sender, bounty);
    }

    /// @inheritdoc IProviderRegistry
    /// @dev Walks a random order of the seats and takes the first `needed` that may serve: every willing provider is as
    ///      likely as any other. The dead that it meets lose their seats.
    function draw(Call calldata call)
        external
        onlyJobMarket
        returns (address[] memory drawn, uint256[] memory fees, uint256 bounty)
    {
        drawn = new address[](call.needed);
        fees = new uint256[](call.needed);
        uint256 probes = call.seats < MAX_PROBES ? call.seats : MAX_PROBES;
        Shuffle.Deck memory deck = Shuffle.deck(call.seed, call.seats, probes);
        uint256 found = 0;
        uint256 empty = 0;
        while (found < call.needed && deck.dealt < probes) {
            address provider = _occupant(deck.next(), call.before);
            if (provider == address(0)) {
                ++empty;
                continue;
            }
            if (_contains(call.excluded, provider)) continue;
            Record storage record = _records[provider];
            if (!_alive(record)) {
                bounty += _evict(provider, record);
                continue;
            }
            (bool willing, uint256 fee) = _lock(record, call.units, call.feeCap);
            if (!willing) continue;
            drawn[found] = provider;
            fees[found] = fee;
            ++found;
        }
        if (empty > 0) _compact(empty);
        if (bounty > 0) token.safeTransfer(jobMarket, bounty);
        if (found == call.needed) return (drawn, fees, bounty);
        if (call.seats <= MAX_PROBES) revert NotEnoughProviders(found, call.needed);
        assembly ("memory-safe") {
            mstore(drawn, found)
            mstore(fees, found)
        }
    }

    /// @inheritdoc IProviderRegistry
    function unlock(address[] calldata list, uint256[] calldata fees, uint64 units) external onlyJobMarket {
        for (uint256 i = 0; i < list.length; ++i) {
            _letGo(list[i], stakeFor(fees[i]), units);
        }
    }

    /// @inheritdoc IProviderRegistry
    function slash(address provider, uint256 fee, uint64 units, bool suspend, uint256 owed)
        external
        onlyJobMarket
        returns (uint256 amount, uint256 paid)
    {
        amount = stakeFor(fee);
        paid = Math.min(amount, owed);
        Record storage record = _letGo(provider, amount, units);
        record.bond -= uint96(amount);
        burned += amount - paid;
        if (suspend) record.heartbeat = 0;
        if (record.bond < stakeFloor) _leave(provider, record);
        emit Slashed(provider, amount, amount - paid, record.bond);
        if (paid > 0) token.safeTransfer(jobMarket, paid);
    }

    /// @inheritdoc IProviderRegistry
    function get(address provider) external view returns (Provider memory) {
        Record storage record = _records[provider];
        return Provider({
            bond: record.bond,
            locked: record.locked,
            fixedFee: record.fixedFee,
            price: record.price,
            capacity: record.capacity,
            inUse: record.inUse,
            heartbeat: record.heartbeat,
            unbonding: record.unbonding,
            seat: record.seat
        });
    }

    /// @inheritdoc IProviderRegistry
    function stakeFor(uint256 fee) public view returns (uint256) {
        uint256 stake = fee * STAKE_MULTIPLE;
        return stake < stakeFloor ? stakeFloor : stake;
    }

    /// @inheritdoc IProviderRegistry
    function evictionBounty() public view returns (uint256) {
        return stakeFloor / BOUNTY_PART;
    }

    function _bond(uint256 amount, uint48 fixedFee, uint48 price, uint64 capacity) private {
        Record storage record = _records[msg.sender];
        uint256 total = record.bond + amount;
        if (total < stakeFloor) revert BondTooSmall(total, stakeFloor);
        if (total > type(uint96).max) revert BadProviderTerms();
        record.bond = uint96(total);
        record.heartbeat = uint32(block.timestamp);
        record.unbonding = 0;
        _setTerms(record, fixedFee, price, capacity);
        if (record.seat == 0) record.seat = uint32(_sit(msg.sender));
        emit Bonded(msg.sender, amount, total);
        if (amount > 0) token.safeTransferFrom(msg.sender, address(this), amount);
    }

    function _setTerms(Record storage record, uint48 fixedFee, uint48 price, uint64 capacity) private {
        if (capacity == 0) revert BadProviderTerms();
        record.fixedFee = fixedFee;
        record.price = price;
        record.capacity = capacity;
        emit TermsSet(msg.sender, fixedFee, price, capacity);
    }

    /// @dev Takes the bounty out of what no job holds: a stake answers for its job alone.
    function _evict(address provider, Record storage record) private returns (uint256 bounty) {
        bounty = Math.min(evictionBounty(), record.bond - record.locked);
        record.bond -= uint96(bounty);
        emit Evicted(provider, bounty);
        _leave(provider, record);
    }

    /// @dev Holds the stake if the provider can and will serve this job.
    function _lock(Record storage record, uint64 units, uint256 feeCap) private returns (bool willing, uint256 fee) {
        uint256 inUse = uint256(record.inUse) + units;
        if (inUse > record.capacity) return (false, 0);
        fee = record.fixedFee + Math.ceilDiv(uint256(record.price) * units, PRICED_UNITS);
        if (fee > feeCap) return (false, 0);
        uint256 locked = record.locked + stakeFor(fee);
        if (locked > record.bond) return (false, 0);
        record.locked = uint96(locked);
        record.inUse = uint64(inUse);
        return (true, fee);
    }

    function _letGo(address provider, uint256 stake, uint64 units) private returns (Record storage record) {
        record = _records[provider];
        uint96 locked = record.locked - uint96(stake);
        uint64 inUse = record.inUse - units;
        record.locked = locked;
        record.inUse = inUse;
    }

    function _leave(address provider, Record storage record) private {
        uint256 seat = record.seat;
        if (seat == 0) return;
        record.seat = 0;
        _rise(provider, seat);
    }

    function _seatOf(address provider) internal view override returns (uint256) {
        return _records[provider].seat;
    }

    function _setSeat(address provider, uint256 seat) internal override {
        _records[provider].seat = uint32(seat);
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
