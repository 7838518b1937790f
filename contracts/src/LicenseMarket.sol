// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IJobMarket} from "./interfaces/IJobMarket.sol";
import {ILicenseMarket} from "./interfaces/ILicenseMarket.sol";
import {Payments} from "./Payments.sol";
import {Permits} from "./Permits.sol";

/// @title Offers on datasets and the licenses bought from them
/// @notice An offer never changes, so what a buyer reads is what a buyer gets; a seller who wants other terms makes
///         another offer. A license belongs to its buyer and cannot be passed on, since the owner's release policy
///         counts what one buyer has seen.
/// Bits are what a dataset has to sell: each offer reserves, of the dataset's budget, what its licenses guarantee, so
///         that nobody buys what another can use up. What was not sold, or not used, returns.
/// @dev An offer is three words and a part of its earnings' word, a license one, and its use another that is written by
///      its first job.
contract LicenseMarket is Payments, ILicenseMarket {
    struct StoredOffer {
        address seller;
        uint32 dataset;
        uint32 duration;
        uint24 maxJobs;
        bool active;
        uint80 priceLicense;
        uint72 priceJob;
        uint64 priceRow;
        uint40 maxRows;
        bytes32 policy;
    }

    struct StoredLicense {
        address buyer;
        uint32 offer;
        uint40 boughtAt;
        bool revoked;
        bool settled;
    }

    /// @param lastJob when the last job was opened
    struct Use {
        uint32 jobs;
        uint64 rows;
        uint40 lastJob;
    }

    struct Budget {
        uint64 microBits;
        uint64 reserved;
    }

    /// @notice More beneficiaries could make `collect` too dear for one transaction.
    uint256 public constant MAX_SHARES = 8;

    IDatasetRegistry public immutable datasets;
    /// @notice The only contract that may use licenses up.
    address public immutable jobMarket;

    /// @inheritdoc ILicenseMarket
    uint256 public offerCount;
    /// @inheritdoc ILicenseMarket
    uint256 public licenseCount;

    mapping(uint256 offer => StoredOffer) private _offers;
    mapping(uint256 offer => Share[]) private _sharesOf;
    mapping(uint256 license => StoredLicense) private _licenses;
    mapping(uint256 license => Use) private _uses;
    mapping(uint256 dataset => Budget) private _budgets;

    constructor(IERC20 token_, IDatasetRegistry datasets_, address jobMarket_) Permits(token_) {
        datasets = datasets_;
        jobMarket = jobMarket_;
    }

    modifier onlyJobMarket() {
        if (msg.sender != jobMarket) revert OnlyJobMarket(msg.sender);
        _;
    }

    /// @inheritdoc ILicenseMarket
    function createOffer(Terms calldata terms, Share[] calldata shares) external returns (uint256 offer) {
        (address owner, bool tombstoned) = datasets.standing(terms.dataset);
        if (owner != msg.sender) revert NotSeller(terms.dataset, msg.sender);
        if (tombstoned) revert DatasetClosed(terms.dataset);
        _checkTerms(terms);
        offer = ++offerCount;
        _offers[offer] = StoredOffer({
            seller: msg.sender,
            dataset: uint32(terms.dataset),
            duration: uint32(terms.duration),
            maxJobs: uint24(terms.maxJobs),
            active: true,
            priceLicense: uint80(terms.priceLicense),
            priceJob: uint72(terms.priceJob),
            priceRow: uint64(terms.priceRow),
            maxRows: uint40(terms.maxRows),
            policy: terms.policy
        });
        _setShares(offer, shares);
        _earnings[offer] =
            Account({received: 0, distributed: 0, licensesLeft: terms.licenses, microBits: terms.microBits});
        _reserve(terms);
        emit OfferCreated(offer, terms.dataset, msg.sender, terms, shares);
    }

    /// @inheritdoc ILicenseMarket
    /// @notice Stop sales; licenses already bought stay valid, and the bits of the others return to the dataset. Also
    ///         for the dataset's present holder, whom a former holder's offers must not keep from selling.
    function deactivate(uint256 offer) external {
        StoredOffer storage stored = _offers[offer];
        uint256 dataset = stored.dataset;
        if (stored.seller != msg.sender) {
            if (stored.seller == address(0)) revert NotSeller(dataset, msg.sender);
            (address owner,) = datasets.parties(dataset);
            if (owner != msg.sender) revert NotSeller(dataset, msg.sender);
        }
        Account storage account = _earnings[offer];
        uint256 unsold = account.licensesLeft;
        if (!stored.active || unsold == 0) revert OfferInactive(offer);
        stored.active = false;
        account.licensesLeft = 0;
        emit OfferDeactivated(offer);
        _free(dataset, unsold * account.microBits);
    }

    /// @inheritdoc ILicenseMarket
    function buy(uint256 offer) external nonReentrant returns (uint256 license) {
        return _buy(offer);
    }

    /// @inheritdoc ILicenseMarket
    function buyWithPermit(uint256 offer, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
        returns (uint256 license)
    {
        _permit(_offers[offer].priceLicense, deadline, v, r, s);
        return _buy(offer);
    }

    /// @inheritdoc ILicenseMarket
    /// @notice The dataset's owner takes a license back and pays for the part not used. Jobs that are already open run
    ///         to their end on the terms they were opened on; only new ones are refused.
    function revoke(uint256 license) external nonReentrant returns (uint256 refund) {
        StoredLicense storage stored = _existing(license);
        uint256 dataset = _offers[stored.offer].dataset;
        (address owner,) = datasets.parties(dataset);
        if (owner != msg.sender) revert NotSeller(dataset, msg.sender);
        _checkAlive(license, stored);
        refund = _refund(license, stored);
        stored.revoked = true;
        _credit(stored.buyer, refund);
        emit LicenseRevoked(license, msg.sender, refund);
        _pull(refund);
    }

    /// @inheritdoc ILicenseMarket
    /// @dev A license is over when it can open no job any more, and its use is final when none can still be given back
    ///      or released: no job lives longer than `longestLife`. What was used is the owner's word, for which its
    ///      public decisions are the proof: a lie sells more bits of the owner's own data than it said, for everybody
    ///      to see.
    function settleLicense(uint256 license, uint256 usedMicroBits) external {
        StoredLicense storage stored = _existing(license);
        StoredOffer storage terms = _offers[stored.offer];
        uint256 dataset = terms.dataset;
        (address owner, address custodian) = datasets.parties(dataset);
        if (msg.sender != owner && msg.sender != custodian) revert NotParty(dataset, msg.sender);
        if (stored.settled) revert AlreadySettled(license);
        Use memory use = _uses[license];
        bool expired = block.timestamp > uint256(stored.boughtAt) + terms.duration;
        if (!stored.revoked && !expired && use.jobs < terms.maxJobs && use.rows < terms.maxRows) {
            revert LicenseNotOver(license);
        }
        if (use.lastJob != 0) {
            uint256 until = use.lastJob + IJobMarket(jobMarket).longestLife();
            if (block.timestamp <= until) revert JobsMayRun(license, until);
        }
        uint256 guaranteed = _earnings[stored.offer].microBits;
        if (usedMicroBits > guaranteed) revert MoreThanGuaranteed(license, usedMicroBits, guaranteed);
        stored.settled = true;
        emit LicenseSettled(license, usedMicroBits);
        _free(dataset, guaranteed - usedMicroBits);
    }

    /// @inheritdoc ILicenseMarket
    function consume(uint256 license, address buyer, uint256 firstRow, uint256 rows)
        external
        onlyJobMarket
        returns (uint256 offer, uint256 dataset, uint256 price, uint16 version, bytes32 content)
    {
        StoredLicense storage stored = _existing(license);
        if (stored.buyer != buyer) revert NotLicenseHolder(license, buyer);
        _checkAlive(license, stored);
        offer = stored.offer;
        StoredOffer storage terms = _offers[offer];
        dataset = terms.dataset;
        (version, content) = _checkRows(dataset, firstRow, rows);
        Use memory use = _uses[license];
        if (use.jobs >= terms.maxJobs) revert NoJobsLeft(license);
        if (use.rows + rows > terms.maxRows) revert NoRowsLeft(license, terms.maxRows - use.rows, rows);
        use.jobs += 1;
        use.rows += uint64(rows);
        use.lastJob = uint40(block.timestamp);
        _uses[license] = use;
        price = uint256(terms.priceJob) + uint256(terms.priceRow) * rows;
        emit LicenseUsed(license, terms.maxJobs - use.jobs, terms.maxRows - use.rows);
    }

    /// @inheritdoc ILicenseMarket
    function restore(uint256 license, uint256 rows) external onlyJobMarket {
        Use memory use = _uses[license];
        use.jobs -= 1;
        use.rows -= uint64(rows);
        _uses[license] = use;
        StoredOffer storage terms = _offers[_licenses[license].offer];
        emit LicenseRestored(license, terms.maxJobs - use.jobs, terms.maxRows - use.rows);
    }

    /// @inheritdoc ILicenseMarket
    function offerOf(uint256 offer) external view returns (Offer memory) {
        StoredOffer storage stored = _offers[offer];
        if (stored.seller == address(0)) revert NoSuchOffer(offer);
        Account storage account = _earnings[offer];
        return Offer({
            dataset: stored.dataset,
            seller: stored.seller,
            priceLicense: stored.priceLicense,
            priceJob: stored.priceJob,
            priceRow: stored.priceRow,
            maxJobs: stored.maxJobs,
            maxRows: stored.maxRows,
            duration: stored.duration,
            policy: stored.policy,
            active: stored.active && account.licensesLeft > 0,
            microBits: account.microBits,
            licensesLeft: account.licensesLeft
        });
    }

    /// @inheritdoc ILicenseMarket
    function licenseOf(uint256 license) external view returns (License memory) {
        StoredLicense storage stored = _existing(license);
        StoredOffer storage terms = _offers[stored.offer];
        Use storage use = _uses[license];
        return License({
            offer: stored.offer,
            dataset: terms.dataset,
            buyer: stored.buyer,
            validFrom: stored.boughtAt,
            validUntil: stored.boughtAt + terms.duration,
            jobsLeft: terms.maxJobs - use.jobs,
            rowsLeft: terms.maxRows - use.rows,
            policy: terms.policy,
            revoked: stored.revoked,
            microBits: _earnings[stored.offer].microBits,
            settled: stored.settled
        });
    }

    /// @inheritdoc ILicenseMarket
    function sharesOf(uint256 offer) external view returns (Share[] memory) {
        return _shares(offer);
    }

    /// @inheritdoc ILicenseMarket
    /// @notice What revoking this license now would cost its owner.
    function refundOf(uint256 license) external view returns (uint256) {
        StoredLicense storage stored = _existing(license);
        return stored.revoked ? 0 : _refund(license, stored);
    }

    /// @inheritdoc ILicenseMarket
    function budgetOf(uint256 dataset) external view returns (uint256 budget, uint256 reserved) {
        return (_budgets[dataset].microBits, _budgets[dataset].reserved);
    }

    function _buy(uint256 offer) private returns (uint256 license) {
        StoredOffer storage terms = _offers[offer];
        if (terms.seller == address(0)) revert NoSuchOffer(offer);
        if (!terms.active) revert OfferInactive(offer);
        (address owner, bool tombstoned) = datasets.standing(terms.dataset);
        if (owner != terms.seller) revert SellerSoldDataset(offer);
        if (tombstoned) revert DatasetClosed(terms.dataset);
        license = ++licenseCount;
        StoredLicense storage stored = _licenses[license];
        stored.buyer = msg.sender;
        stored.offer = uint32(offer);
        stored.boughtAt = uint40(block.timestamp);
        uint256 price = terms.priceLicense;
        _sell(offer, price);
        emit LicenseBought(license, offer, msg.sender, price, uint40(block.timestamp + terms.duration));
        _pull(price);
    }

    /// @dev One license less to sell, its price earned, in one word. The last sale closes the offer.
    function _sell(uint256 offer, uint256 price) private {
        Account memory account = _earnings[offer];
        if (account.licensesLeft == 0) revert SoldOut(offer);
        account.licensesLeft -= 1;
        account.received += uint96(price);
        _earnings[offer] = account;
        if (price > 0) emit Earned(offer, price);
        if (account.licensesLeft == 0) emit OfferDeactivated(offer);
    }

    /// @dev Take from the dataset's budget all that an offer's licenses will guarantee.
    function _reserve(Terms calldata terms) private {
        Budget storage budget = _budgets[terms.dataset];
        uint256 total = budget.microBits;
        if (terms.budget < total) revert BudgetOnlyGrows(terms.dataset, total);
        uint256 reserved = budget.reserved;
        uint256 asked = uint256(terms.microBits) * terms.licenses;
        if (asked > terms.budget - reserved) revert BudgetExceeded(terms.dataset, terms.budget - reserved, asked);
        if (terms.budget > total) emit BudgetSet(terms.dataset, terms.budget);
        budget.microBits = terms.budget;
        budget.reserved = uint64(reserved + asked);
        emit BudgetReserved(terms.dataset, reserved + asked);
    }

    function _free(uint256 dataset, uint256 microBits) private {
        Budget storage budget = _budgets[dataset];
        uint256 reserved = budget.reserved - microBits;
        budget.reserved = uint64(reserved);
        emit BudgetReserved(dataset, reserved);
    }

    /// @dev Bounds are those of the packed record; a zero quota or duration would sell nothing.
    function _checkTerms(Terms calldata terms) private pure {
        if (
            terms.priceLicense > type(uint80).max || terms.priceJob > type(uint72).max
                || terms.priceRow > type(uint64).max || terms.maxJobs == 0 || terms.maxJobs > type(uint24).max
                || terms.maxRows == 0 || terms.maxRows > type(uint40).max || terms.duration == 0
                || terms.duration > type(uint32).max || terms.policy == bytes32(0) || terms.microBits == 0
                || terms.licenses == 0
        ) revert BadTerms();
    }

    function _setShares(uint256 offer, Share[] calldata shares) private {
        if (shares.length == 0) return;
        if (shares.length > MAX_SHARES) revert BadShares();
        uint256 total = 0;
        for (uint256 i = 0; i < shares.length; ++i) {
            if (shares[i].account == address(0) || shares[i].basisPoints == 0) revert BadShares();
            total += shares[i].basisPoints;
            _sharesOf[offer].push(shares[i]);
        }
        if (total != WHOLE) revert BadShares();
    }

    function _shares(uint256 offer) internal view override returns (Share[] memory shares) {
        shares = _sharesOf[offer];
        if (shares.length == 0) {
            shares = new Share[](1);
            shares[0] = Share({account: _offers[offer].seller, basisPoints: uint16(WHOLE)});
        }
    }

    function _checkRows(uint256 dataset, uint256 firstRow, uint256 rows)
        private
        view
        returns (uint16 version, bytes32 content)
    {
        uint32 total;
        bool tombstoned;
        (total, version, tombstoned, content) = datasets.extent(dataset);
        if (tombstoned) revert DatasetClosed(dataset);
        if (rows == 0 || rows > total || firstRow > total - rows) revert RowsOutsideDataset(dataset, firstRow, rows);
    }

    function _checkAlive(uint256 license, StoredLicense storage stored) private view {
        if (stored.revoked) revert LicenseIsRevoked(license);
        if (stored.settled) revert AlreadySettled(license);
        uint256 until = uint256(stored.boughtAt) + _offers[stored.offer].duration;
        if (block.timestamp > until) revert LicenseExpired(license, until);
    }

    /// @dev The price times the smallest of the three parts left (time, jobs, rows): a buyer who has used up any of
    ///      them has had the whole license.
    function _refund(uint256 license, StoredLicense storage stored) private view returns (uint256) {
        StoredOffer storage terms = _offers[stored.offer];
        Use storage use = _uses[license];
        uint256 price = terms.priceLicense;
        uint256 until = uint256(stored.boughtAt) + terms.duration;
        if (block.timestamp >= until) return 0;
        uint256 byTime = price * (until - block.timestamp) / terms.duration;
        uint256 byJobs = price * (terms.maxJobs - use.jobs) / terms.maxJobs;
        uint256 byRows = price * (terms.maxRows - use.rows) / terms.maxRows;
        return Math.min(byTime, Math.min(byJobs, byRows));
    }

    function _existing(uint256 license) private view returns (StoredLicense storage stored) {
        stored = _licenses[license];
        if (stored.buyer == address(0)) revert NoSuchLicense(license);
    }
}
