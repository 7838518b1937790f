// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IDisputes} from "./interfaces/IDisputes.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {ILicenseMarket} from "./interfaces/ILicenseMarket.sol";
import {JobStore} from "./JobStore.sol";
import {LicenseMarket} from "./LicenseMarket.sol";
import {Payments} from "./Payments.sol";
import {Permits} from "./Permits.sol";
import {ProviderRegistry} from "./ProviderRegistry.sol";

/// @title What the job market is wired to for good: the other contracts, its windows, its bounds
abstract contract Wired is Payments, JobStore {
    struct Windows {
        uint32 draw;
        uint32 commit;
        uint32 reveal;
        uint32 release;
    }

    /// @notice Most executors whose digests must agree.
    uint256 public constant MAX_REPLICAS = 5;
    /// @notice Most draws that a job, and again its contest, may need: the first and three more.
    uint256 public constant MAX_ROUNDS = 4;
    /// @notice Most executors a job may draw in all: the width of the bit fields.
    uint256 public constant MAX_DRAWN = 16;

    IDatasetRegistry public immutable datasets;
    ILicenseMarket public immutable licenses;
    ProviderRegistry public immutable providers;
    /// @notice Who alone may suspend a job, and convict an executor of it.
    IDisputes public immutable disputes;
    /// @notice Seconds from opening or dispute to the draw, from the draw to the commitments, from the last commitment
    ///         to the receipts, from the agreed receipt to the custodian's answer.
    uint32 public immutable drawWindow;
    uint32 public immutable commitWindow;
    uint32 public immutable revealWindow;
    uint32 public immutable releaseWindow;
    uint32 private immutable _longestGame;

    /// @dev The three contracts know each other's addresses for good, so a mistake in them must not survive deployment.
    constructor(
        IERC20 token_,
        IDatasetRegistry datasets_,
        LicenseMarket licenses_,
        ProviderRegistry providers_,
        IDisputes disputes_,
        Windows memory windows
    ) Permits(token_) {
        if (
            licenses_.jobMarket() != address(this) || providers_.jobMarket() != address(this)
                || disputes_.jobMarket() != address(this) || address(licenses_.token()) != address(token_)
                || address(providers_.token()) != address(token_) || address(licenses_.datasets()) != address(datasets_)
                || windows.draw == 0 || windows.commit == 0 || windows.reveal == 0 || windows.release == 0
        ) revert WiringWrong();
        datasets = datasets_;
        licenses = licenses_;
        providers = providers_;
        disputes = disputes_;
        _longestGame = uint32(disputes_.longestGame());
        drawWindow = windows.draw;
        commitWindow = windows.commit;
        revealWindow = windows.reveal;
        releaseWindow = windows.release;
    }

    /// @notice Most seconds from a job's opening to its end, whoever stays silent, as long as somebody calls `expire`.
    function longestLife() external view returns (uint256) {
        uint256 round = uint256(drawWindow) + commitWindow + revealWindow;
        // In each round disputes may begin until the draw and until the answer are due; these wait as long again then.
        uint256 heard = 2 * (uint256(drawWindow) + releaseWindow + _longestGame);
        return 2 * MAX_ROUNDS * (round + heard);
    }

    function _ownerOf(uint256 dataset) internal view virtual returns (address owner) {
        (owner,) = datasets.parties(dataset);
    }

    function _shares(uint256 offer) internal view override returns (ILicenseMarket.Share[] memory) {
        return licenses.sharesOf(offer);
    }

    function _refund(uint256 job, address buyer, uint256 amount) internal {
        if (amount == 0) return;
        _credit(buyer, amount);
        emit Refunded(job, buyer, amount);
    }
}
