// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {MandateAccount} from "../agents/MandateAccount.sol";
import {IWiredMarket} from "../agents/Mandates.sol";
import {IJobMarket} from "../interfaces/IJobMarket.sol";
import {ILicenseMarket} from "../interfaces/ILicenseMarket.sol";
import {IAuthorizedToken} from "./IAuthorizedToken.sol";
import {IPrepaidOrders} from "./IPrepaidOrders.sol";

/// @title Orders whose payment names them
/// @notice Nobody owns it and nothing in it can be changed. Its accounts run the code of mandates' accounts: for the
///         market each is a buyer of its own, so that refunds return to it without anybody's books.
contract PrepaidOrders is IPrepaidOrders, ReentrancyGuardTransient {
    struct Opened {
        uint256 license;
        uint256 job;
    }

    IERC20 public immutable token;
    ILicenseMarket public immutable licenses;
    IJobMarket public immutable jobs;
    /// @notice The code that every order's account runs.
    address public immutable accountCode;

    /// @inheritdoc IPrepaidOrders
    mapping(bytes32 order => Opened) public opened;

    constructor(IJobMarket jobs_) {
        IWiredMarket wired = IWiredMarket(address(jobs_));
        jobs = jobs_;
        token = wired.token();
        licenses = ILicenseMarket(wired.licenses());
        accountCode = address(new MandateAccount(token, licenses, jobs_));
    }

    /// @inheritdoc IPrepaidOrders
    function open(PrepaidOrder calldata order, Authorization calldata paid)
        external
        nonReentrant
        returns (uint256 job)
    {
        bytes32 id = _id(order);
        if (order.job.license != 0) revert OrderNamesLicense(id, order.job.license);
        Opened memory known = opened[id];
        if (known.job != 0 && !_failed(known.job)) revert OrderIsOpen(id, known.job);
        if (block.timestamp > order.notAfter) revert OrderExpired(id, order.notAfter);
        MandateAccount account = _account(id);
        _collect(order.payer, address(account), paid);
        ILicenseMarket.Offer memory terms = licenses.offerOf(order.offer);
        uint256 price = _price(order, terms);
        if (known.license == 0) {
            _require(id, account, terms.priceLicense + price);
            known.license = account.buy(order.offer, terms.priceLicense);
        } else {
            account.reclaim();
            _require(id, account, price);
        }
        IJobMarket.Order memory asked = order.job;
        asked.license = known.license;
        job = account.open(asked, price);
        opened[id] = Opened(known.license, job);
        emit OrderOpened(id, order.payer, job, known.license, price);
    }

    /// @inheritdoc IPrepaidOrders
    function refund(PrepaidOrder calldata order) external nonReentrant returns (uint256 amount) {
        bytes32 id = _id(order);
        uint256 job = opened[id].job;
        bool may = block.timestamp <= order.notAfter && (job == 0 || _failed(job));
        if (may && msg.sender != order.payer) revert OrderMayOpen(id, msg.sender);
        MandateAccount account = _account(id);
        account.reclaim();
        amount = account.empty(order.payer);
        emit OrderRefunded(id, order.payer, amount);
    }

    /// @inheritdoc IPrepaidOrders
    function idOf(PrepaidOrder calldata order) external pure returns (bytes32) {
        return _id(order);
    }

    /// @inheritdoc IPrepaidOrders
    function accountOf(PrepaidOrder calldata order) external view returns (address) {
        return Clones.predictDeterministicAddress(accountCode, _id(order));
    }

    /// @inheritdoc IPrepaidOrders
    function priceOf(PrepaidOrder calldata order) external view returns (uint256) {
        ILicenseMarket.Offer memory terms = licenses.offerOf(order.offer);
        return terms.priceLicense + _price(order, terms);
    }

    /// @dev Somebody may have sent the payer's authorization to the token before: then the money is there.
    function _collect(address payer, address account, Authorization calldata paid) private {
        IAuthorizedToken dollar = IAuthorizedToken(address(token));
        if (paid.signature.length == 0 || dollar.authorizationState(payer, paid.nonce)) return;
        dollar.transferWithAuthorization(
            payer, account, paid.value, paid.validAfter, paid.validBefore, paid.nonce, paid.signature
        );
    }

    function _require(bytes32 id, MandateAccount account, uint256 price) private view {
        uint256 held = token.balanceOf(address(account));
        if (held < price) revert OrderUnpaid(id, price, held);
    }

    /// @dev Of the job alone.
    function _price(PrepaidOrder calldata order, ILicenseMarket.Offer memory terms) private pure returns (uint256) {
        return terms.priceJob + terms.priceRow * order.job.rows + order.job.maxFee;
    }

    /// @dev Whether a job ended without an answer: its money came back, and its license has its use again.
    function _failed(uint256 job) private view returns (bool) {
        IJobMarket.State state = jobs.get(job).state;
        return state == IJobMarket.State.FAILED || state == IJobMarket.State.EXPIRED;
    }

    /// @dev Made when it is first needed. Only the order's terms name it, so nobody can be there first.
    function _account(bytes32 id) private returns (MandateAccount) {
        address account = Clones.predictDeterministicAddress(accountCode, id);
        if (account.code.length == 0) Clones.cloneDeterministic(accountCode, id);
        return MandateAccount(account);
    }

    function _id(PrepaidOrder calldata order) private pure returns (bytes32) {
        return keccak256(abi.encode(order));
    }
}
