// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Bonded compute providers and the draw among them
interface IProviderRegistry {
    /// @param bond what it has deposited and not lost
    /// @param locked the part that running jobs hold
    /// @param fixedFee what any job costs, whatever its size: it covers the transactions that a job takes
    /// @param price for `PRICED_UNITS` units of static cost on top; what a job has of them is rounded up
    /// @param capacity units it takes at a time, over all its jobs
    /// @param inUse units of the jobs that hold a stake of it
    /// @param heartbeat time of its last sign of life; 0 while suspended for silence
    /// @param unbonding time from which the free bond can be taken back; 0 while it serves
    /// @param seat its place in the draw, counted from 1; 0 when it has none
    struct Provider {
        uint256 bond;
        uint256 locked;
        uint48 fixedFee;
        uint48 price;
        uint64 capacity;
        uint64 inUse;
        uint40 heartbeat;
        uint40 unbonding;
        uint32 seat;
    }

    /// @param needed how many providers to draw
    /// @param seats size of the table when the randomness was still unknown
    /// @param before block before which a provider must have taken its seat
    /// @param feeCap most that one of them may earn
    struct Call {
        bytes32 seed;
        uint256 needed;
        uint256 seats;
        uint256 before;
        uint64 units;
        uint256 feeCap;
        address[] excluded;
    }

    event Bonded(address indexed provider, uint256 amount, uint256 bond);
    event TermsSet(address indexed provider, uint48 fixedFee, uint48 price, uint64 capacity);
    event Heartbeat(address indexed provider);
    event Unbonding(address indexed provider, uint256 until);
    event BondWithdrawn(address indexed provider, uint256 amount);
    /// @param amount the stake that was taken
    /// @param burned the part of it that nobody gets
    event Slashed(address indexed provider, uint256 amount, uint256 burned, uint256 bond);
    event Seated(address indexed provider, uint256 seat);
    event Unseated(address indexed provider, uint256 seat);
    event SeatMoved(address indexed provider, uint256 from, uint256 to);
    /// @param bounty what its bond lost to whoever found it dead
    event Evicted(address indexed provider, uint256 bounty);

    error OnlyJobMarket(address caller);
    error NotBonded(address provider);
    error BondTooSmall(uint256 bond, uint256 floor);
    error BadProviderTerms();
    error AlreadyUnbonding(address provider);
    error NotUnbonding(address provider);
    error UnbondingUntil(uint256 time);
    error BondLocked(uint256 locked);
    error StillAlive(address provider);
    error NotEnoughProviders(uint256 found, uint256 needed);

    function bond(uint256 amount, uint48 fixedFee, uint48 price, uint64 capacity) external;

    function bondWithPermit(
        uint256 amount,
        uint48 fixedFee,
        uint48 price,
        uint64 capacity,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    function setTerms(uint48 fixedFee, uint48 price, uint64 capacity) external;

    function heartbeat() external;

    function unbond() external;

    function withdrawBond() external returns (uint256 amount);

    /// @notice Free the seat of a provider that has shown no sign of life, for a small part of its bond. Anyone may
    ///         call.
    function evict(address provider) external returns (uint256 bounty);

    /// @notice Close gaps in the table, at most `steps` of them. Anyone may call.
    function compact(uint256 steps) external;

    /// @dev Only the job market: draws and locks. May find fewer than needed in a table larger than its probes: the
    ///      caller goes on with another seed. `bounty` is what the dead seats that it met lost, sent to the job market.
    function draw(Call calldata call) external returns (address[] memory drawn, uint256[] memory fees, uint256 bounty);

    /// @dev Only the job market: ends the holds that a job of these fees and units has on providers.
    function unlock(address[] calldata list, uint256[] calldata fees, uint64 units) external;

    /// @dev Only the job market: takes the held stake from a provider. Up to `owed` of it goes to the job market, for
    ///      those who were harmed; the rest is burned.
    function slash(address provider, uint256 fee, uint64 units, bool suspend, uint256 owed)
        external
        returns (uint256 amount, uint256 paid);

    function stakeFor(uint256 fee) external view returns (uint256);

    function get(address provider) external view returns (Provider memory);

    function seatAt(uint256 seat) external view returns (address);

    function seatCount() external view returns (uint256);

    /// @notice What slashed stakes left in this contract for good: claimable by nobody.
    function burned() external view returns (uint256);

    /// @notice What a dead seat loses to whoever evicts it.
    function evictionBounty() external view returns (uint256);

    function providers() external view returns (address[] memory);
}
