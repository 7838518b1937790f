// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Offers and the licenses bought from them
interface ILicenseMarket {
    /// @dev What a seller writes; immutable once created. Bits are counted in micro-bits (10^-6 bit) per person.
    /// @param microBits what each license guarantees: the most that its releases may tell of one person
    /// @param licenses most that are sold
    /// @param budget what the dataset sells of each person over all offers and for good; may only grow
    struct Terms {
        uint256 dataset;
        uint256 priceLicense;
        uint256 priceJob;
        uint256 priceRow;
        uint32 maxJobs;
        uint64 maxRows;
        uint40 duration;
        bytes32 policy;
        uint32 microBits;
        uint32 licenses;
        uint64 budget;
    }

    /// @dev Shares are basis points and add up to 10,000. An empty list means the seller takes all.
    struct Share {
        address account;
        uint16 basisPoints;
    }

    /// @param active whether it sells: it was not closed, and licenses are left
    struct Offer {
        uint256 dataset;
        address seller;
        uint256 priceLicense;
        uint256 priceJob;
        uint256 priceRow;
        uint32 maxJobs;
        uint64 maxRows;
        uint40 duration;
        bytes32 policy;
        bool active;
        uint32 microBits;
        uint32 licensesLeft;
    }

    /// @param settled what it did not use of its bits went back to the dataset's budget
    struct License {
        uint256 offer;
        uint256 dataset;
        address buyer;
        uint40 validFrom;
        uint40 validUntil;
        uint32 jobsLeft;
        uint64 rowsLeft;
        bytes32 policy;
        bool revoked;
        uint32 microBits;
        bool settled;
    }

    event OfferCreated(
        uint256 indexed offer, uint256 indexed dataset, address indexed seller, Terms terms, Share[] shares
    );
    event OfferDeactivated(uint256 indexed offer);
    event LicenseBought(
        uint256 indexed license, uint256 indexed offer, address indexed buyer, uint256 price, uint40 validUntil
    );
    event LicenseUsed(uint256 indexed license, uint32 jobsLeft, uint64 rowsLeft);
    event LicenseRestored(uint256 indexed license, uint32 jobsLeft, uint64 rowsLeft);
    event LicenseRevoked(uint256 indexed license, address indexed by, uint256 refund);
    event LicenseSettled(uint256 indexed license, uint256 used);
    event BudgetSet(uint256 indexed dataset, uint256 budget);
    event BudgetReserved(uint256 indexed dataset, uint256 reserved);

    error NotSeller(uint256 dataset, address caller);
    error BadTerms();
    error BadShares();
    error NoSuchOffer(uint256 offer);
    error OfferInactive(uint256 offer);
    error SellerSoldDataset(uint256 offer);
    error DatasetClosed(uint256 dataset);
    error NoSuchLicense(uint256 license);
    error NotLicenseHolder(uint256 license, address caller);
    error LicenseIsRevoked(uint256 license);
    error LicenseExpired(uint256 license, uint256 validUntil);
    error NoJobsLeft(uint256 license);
    error NoRowsLeft(uint256 license, uint256 left, uint256 asked);
    error RowsOutsideDataset(uint256 dataset, uint256 firstRow, uint256 rows);
    error OnlyJobMarket(address caller);
    error SoldOut(uint256 offer);
    error BudgetExceeded(uint256 dataset, uint256 left, uint256 asked);
    error BudgetOnlyGrows(uint256 dataset, uint256 budget);
    error NotParty(uint256 dataset, address caller);
    error LicenseNotOver(uint256 license);
    error JobsMayRun(uint256 license, uint256 until);
    error AlreadySettled(uint256 license);
    error MoreThanGuaranteed(uint256 license, uint256 used, uint256 guaranteed);

    function createOffer(Terms calldata terms, Share[] calldata shares) external returns (uint256 offer);

    function deactivate(uint256 offer) external;

    function buy(uint256 offer) external returns (uint256 license);

    function buyWithPermit(uint256 offer, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        returns (uint256 license);

    function revoke(uint256 license) external returns (uint256 refund);

    /// @notice Give back to the dataset's budget what a license that is over did not use. By the dataset's custodian or
    ///         holder, once.
    /// @param usedMicroBits the most that the license's releases told of any one person
    function settleLicense(uint256 license, uint256 usedMicroBits) external;

    /// @dev Only the job market: takes one job and `rows` rows from the license, or reverts with the reason.
    function consume(uint256 license, address buyer, uint256 firstRow, uint256 rows)
        external
        returns (uint256 offer, uint256 dataset, uint256 price, uint16 version, bytes32 content);

    /// @dev Only the job market: gives back what a job took that ended without being the buyer's fault.
    function restore(uint256 license, uint256 rows) external;

    function offerOf(uint256 offer) external view returns (Offer memory);

    function licenseOf(uint256 license) external view returns (License memory);

    function sharesOf(uint256 offer) external view returns (Share[] memory);

    function refundOf(uint256 license) external view returns (uint256);

    /// @notice Micro-bits per person that a dataset sells over all, and those that its offers and licenses have taken.
    function budgetOf(uint256 dataset) external view returns (uint256 budget, uint256 reserved);

    function offerCount() external view returns (uint256);

    function licenseCount() external view returns (uint256);
}
