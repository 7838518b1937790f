// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Datasets as tokens: who owns one, who may decrypt its results, which bytes it stands for
/// @dev Digests live in events; storage keeps one word that binds them (`content`) and the block to find them in.
interface IDatasetRegistry {
    /// @param owner holder of the token
    /// @param custodian the account that may release and refuse jobs on this dataset
    /// @param rows rows of the current version
    /// @param version 1 at first, grows with each new manifest
    /// @param epoch of the dataset's keys, 1 at first
    /// @param tombstoned the current epoch's key was destroyed: no new jobs
    /// @param versionBlock block that holds the DatasetVersion event of the current version
    /// @param content keccak256(abi.encode(manifest, codec, dataRoot, profile)) of the current version
    struct Dataset {
        address owner;
        address custodian;
        uint32 rows;
        uint16 version;
        uint8 epoch;
        bool tombstoned;
        uint32 versionBlock;
        bytes32 content;
    }

    event DatasetVersion(
        uint256 indexed dataset,
        uint16 indexed version,
        uint8 epoch,
        uint8 codec,
        uint32 rows,
        bytes32 manifest,
        bytes32 dataRoot,
        bytes32 profile
    );
    event CustodianChanged(uint256 indexed dataset, address indexed custodian);
    event Tombstoned(uint256 indexed dataset, uint8 indexed epoch, bytes32 digest);
    event RoyaltySet(uint256 indexed dataset, address indexed receiver, uint96 basisPoints);

    error NotDatasetOwner(uint256 dataset, address caller);
    error DatasetTombstoned(uint256 dataset);
    error ZeroDigest();
    error ZeroRows();
    error TooManyRows(uint256 rows);
    error ZeroAddress();
    error UnknownCodec(uint8 codec);
    error NoSuchEpoch(uint256 dataset, uint256 epoch);
    error AlreadyTombstoned(uint256 dataset, uint256 epoch);
    error RoyaltyAlreadySet(uint256 dataset);
    error RoyaltyTooHigh(uint256 basisPoints);

    function publish(bytes32 manifest, uint8 codec, bytes32 dataRoot, bytes32 profile, uint64 rows, address custodian)
        external
        returns (uint256 dataset);

    function newVersion(uint256 dataset, bytes32 manifest, uint8 codec, bytes32 dataRoot, bytes32 profile, uint64 rows)
        external;

    function newEpoch(uint256 dataset, bytes32 manifest, uint8 codec, bytes32 dataRoot, bytes32 profile, uint64 rows)
        external;

    function setCustodian(uint256 dataset, address custodian) external;

    function tombstone(uint256 dataset, uint256 epoch, bytes32 digest) external;

    function setRoyalty(uint256 dataset, address receiver, uint96 basisPoints) external;

    function get(uint256 dataset) external view returns (Dataset memory);

    function parties(uint256 dataset) external view returns (address owner, address custodian);

    /// @dev What the license market asks before it sells.
    function standing(uint256 dataset) external view returns (address owner, bool tombstoned);

    /// @dev What it asks before it lets a job through. Zero rows for a dataset that does not exist.
    function extent(uint256 dataset)
        external
        view
        returns (uint32 rows, uint16 version, bool tombstoned, bytes32 content);

    function verify(uint256 dataset, bytes32 manifest, uint8 codec, bytes32 dataRoot, bytes32 profile)
        external
        view
        returns (bool);

    function count() external view returns (uint256);
}
