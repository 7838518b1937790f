// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC4906} from "@openzeppelin/contracts/interfaces/IERC4906.sol";
import {IERC165} from "@openzeppelin/contracts/interfaces/IERC165.sol";
import {ERC2981} from "@openzeppelin/contracts/token/common/ERC2981.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";

/// @title Datasets as ERC-721 tokens
/// @notice Whoever holds the token decides; a custodian, named by the holder, has the secret key and answers jobs.
/// @dev Without enumeration, which would nearly double the price of a publication: ids count from 1 and the events tell
///      the rest. A record is two words: one packed, one that binds every digest. The digests themselves are in the
///      events, since no rule on chain reads them; `verify` lets a contract check digests that a caller hands it.
contract DatasetRegistry is ERC721, ERC2981, IERC4906, IDatasetRegistry {
    using Strings for uint256;

    struct Record {
        address custodian;
        uint32 rows;
        uint32 versionBlock;
        uint16 version;
        uint8 epoch;
        bool tombstoned;
        bytes32 content;
    }

    uint8 private constant RAW = 0x55;
    uint8 private constant DAG_PB = 0x70;
    bytes4 private constant ERC4906_ID = 0x49064906;

    /// @notice A resale royalty is at most a tenth, so that no owner can make a token unsellable.
    uint256 public constant MAX_ROYALTY = 1_000;

    /// @inheritdoc IDatasetRegistry
    uint256 public count;

    mapping(uint256 dataset => Record) private _records;
    /// @dev Bit e is set when the key of epoch e was destroyed.
    mapping(uint256 dataset => uint256) private _destroyedEpochs;
    mapping(uint256 dataset => bool) private _royaltySet;

    constructor() ERC721("Darkroom dataset", "DARK") {}

    /// @dev Only the holder: an approved operator may move the token but not speak for the data.
    modifier onlyOwner(uint256 dataset) {
        if (ownerOf(dataset) != msg.sender) revert NotDatasetOwner(dataset, msg.sender);
        _;
    }

    /// @inheritdoc IDatasetRegistry
    /// @dev Mints without the receiver callback: a contract wallet that publishes is already able to act, and no
    ///      foreign code runs here.
    function publish(bytes32 manifest, uint8 codec, bytes32 dataRoot, bytes32 profile, uint64 rows, address custodian)
        external
        returns (uint256 dataset)
    {
        if (custodian == address(0)) revert ZeroAddress();
        dataset = ++count;
        _records[dataset].custodian = custodian;
        _write(dataset, 1, manifest, codec, dataRoot, profile, rows);
        emit CustodianChanged(dataset, custodian);
        _mint(msg.sender, dataset);
    }

    /// @inheritdoc IDatasetRegistry
    /// @dev The same keys and more or other rows. Not after a tombstone: nobody could decrypt results of it.
    function newVersion(uint256 dataset, bytes32 manifest, uint8 codec, bytes32 dataRoot, bytes32 profile, uint64 rows)
        external
        onlyOwner(dataset)
    {
        Record storage record = _records[dataset];
        if (record.tombstoned) revert DatasetTombstoned(dataset);
        _write(dataset, record.epoch, manifest, codec, dataRoot, profile, rows);
        emit MetadataUpdate(dataset);
    }

    /// @inheritdoc IDatasetRegistry
    /// @dev New keys, everything encrypted anew; a tombstoned dataset lives again by this alone.
    function newEpoch(uint256 dataset, bytes32 manifest, uint8 codec, bytes32 dataRoot, bytes32 profile, uint64 rows)
        external
        onlyOwner(dataset)
    {
        _write(dataset, _records[dataset].epoch + 1, manifest, codec, dataRoot, profile, rows);
        emit MetadataUpdate(dataset);
    }

    /// @inheritdoc IDatasetRegistry
    function setCustodian(uint256 dataset, address custodian) external onlyOwner(dataset) {
        if (custodian == address(0)) revert ZeroAddress();
        _records[dataset].custodian = custodian;
        emit CustodianChanged(dataset, custodian);
    }

    /// @inheritdoc IDatasetRegistry
    /// @notice Declare that the secret key of an epoch was destroyed; `digest` is of the owner's statement.
    /// @dev Cannot be undone: a key that comes back was never destroyed.
    function tombstone(uint256 dataset, uint256 epoch, bytes32 digest) external onlyOwner(dataset) {
        if (digest == bytes32(0)) revert ZeroDigest();
        Record storage record = _records[dataset];
        if (epoch == 0 || epoch > record.epoch) revert NoSuchEpoch(dataset, epoch);
        uint256 destroyed = _destroyedEpochs[dataset];
        if (destroyed >> epoch & 1 == 1) revert AlreadyTombstoned(dataset, epoch);
        _destroyedEpochs[dataset] = destroyed | 1 << epoch;
        if (epoch == record.epoch) record.tombstoned = true;
        emit Tombstoned(dataset, uint8(epoch), digest);
        emit MetadataUpdate(dataset);
    }

    /// @inheritdoc IDatasetRegistry
    /// @dev Once: a later holder must not be able to take the first publisher's royalty away.
    function setRoyalty(uint256 dataset, address receiver, uint96 basisPoints) external onlyOwner(dataset) {
        if (_royaltySet[dataset]) revert RoyaltyAlreadySet(dataset);
        if (basisPoints > MAX_ROYALTY) revert RoyaltyTooHigh(basisPoints);
        if (receiver == address(0)) revert ZeroAddress();
        _royaltySet[dataset] = true;
        _setTokenRoyalty(dataset, receiver, basisPoints);
        emit RoyaltySet(dataset, receiver, basisPoints);
    }

    /// @inheritdoc IDatasetRegistry
    function get(uint256 dataset) external view returns (Dataset memory) {
        address owner = ownerOf(dataset);
        Record storage record = _records[dataset];
        return Dataset({
            owner: owner,
            custodian: record.custodian,
            rows: record.rows,
            version: record.version,
            epoch: record.epoch,
            tombstoned: record.tombstoned,
            versionBlock: record.versionBlock,
            content: record.content
        });
    }

    /// @inheritdoc IDatasetRegistry
    function parties(uint256 dataset) external view returns (address owner, address custodian) {
        return (ownerOf(dataset), _records[dataset].custodian);
    }

    /// @inheritdoc IDatasetRegistry
    function standing(uint256 dataset) external view returns (address owner, bool tombstoned) {
        return (ownerOf(dataset), _records[dataset].tombstoned);
    }

    /// @inheritdoc IDatasetRegistry
    function extent(uint256 dataset)
        external
        view
        returns (uint32 rows, uint16 version, bool tombstoned, bytes32 content)
    {
        Record storage record = _records[dataset];
        return (record.rows, record.version, record.tombstoned, record.content);
    }

    /// @inheritdoc IDatasetRegistry
    function verify(uint256 dataset, bytes32 manifest, uint8 codec, bytes32 dataRoot, bytes32 profile)
        external
        view
        returns (bool)
    {
        return _records[dataset].content == _bind(manifest, codec, dataRoot, profile);
    }

    /// @notice Wallets see what the chain knows; the full description is the manifest.
    function tokenURI(uint256 dataset) public view override returns (string memory) {
        _requireOwned(dataset);
        Record storage record = _records[dataset];
        bytes memory json = abi.encodePacked(
            '{"name":"Darkroom dataset ',
            dataset.toString(),
            '","description":"An encrypted table: models may run on it, nobody reads it.","attributes":[',
            _attribute("rows", record.rows),
            ",",
            _attribute("version", record.version),
            ",",
            _attribute("epoch", record.epoch),
            record.tombstoned ? ',{"value":"tombstoned"}]}' : "]}"
        );
        return string.concat("data:application/json;base64,", Base64.encode(json));
    }

    /// @inheritdoc ERC721
    function supportsInterface(bytes4 id) public view override(ERC721, ERC2981, IERC165) returns (bool) {
        return id == ERC4906_ID || super.supportsInterface(id);
    }

    function _write(
        uint256 dataset,
        uint8 epoch,
        bytes32 manifest,
        uint8 codec,
        bytes32 dataRoot,
        bytes32 profile,
        uint64 rows
    ) private {
        if (manifest == bytes32(0) || dataRoot == bytes32(0) || profile == bytes32(0)) {
            revert ZeroDigest();
        }
        if (codec != RAW && codec != DAG_PB) revert UnknownCodec(codec);
        if (rows == 0) revert ZeroRows();
        if (rows > type(uint32).max) revert TooManyRows(rows);
        Record storage record = _records[dataset];
        uint16 version = record.version + 1;
        record.rows = uint32(rows);
        record.versionBlock = uint32(block.number);
        record.version = version;
        record.epoch = epoch;
        record.tombstoned = false;
        record.content = _bind(manifest, codec, dataRoot, profile);
        emit DatasetVersion(dataset, version, epoch, codec, uint32(rows), manifest, dataRoot, profile);
    }

    function _bind(bytes32 manifest, uint8 codec, bytes32 dataRoot, bytes32 profile) private pure returns (bytes32) {
        return keccak256(abi.encode(manifest, codec, dataRoot, profile));
    }

    function _attribute(string memory name, uint256 value) private pure returns (string memory) {
        return string.concat('{"trait_type":"', name, '","value":', value.toString(), "}");
    }
}
