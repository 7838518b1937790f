// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IAgenticCommerce} from "../src/agents/IAgenticCommerce.sol";

/// @title A small market after ERC-8183, without hooks, for tests
contract AgenticCommerce is IAgenticCommerce {
    enum Status {
        Open,
        Funded,
        Submitted,
        Completed,
        Rejected,
        Expired
    }

    struct Deal {
        address client;
        address provider;
        address evaluator;
        uint256 budget;
        uint256 expiredAt;
        Status status;
        bytes32 reason;
    }

    IERC20 public immutable token;
    Deal[] public deals;

    error NotNow();
    error NotYou();

    constructor(IERC20 token_) {
        token = token_;
    }

    function createJob(address provider, address evaluator, uint256 expiredAt, uint256 budget)
        external
        returns (uint256 id)
    {
        deals.push(Deal(msg.sender, provider, evaluator, budget, expiredAt, Status.Open, 0));
        return deals.length - 1;
    }

    function fund(uint256 id) external {
        Deal storage deal = deals[id];
        if (msg.sender != deal.client) revert NotYou();
        if (deal.status != Status.Open) revert NotNow();
        deal.status = Status.Funded;
        token.transferFrom(msg.sender, address(this), deal.budget);
    }

    function submit(uint256 id, bytes32) external {
        Deal storage deal = deals[id];
        if (msg.sender != deal.provider) revert NotYou();
        if (deal.status != Status.Funded) revert NotNow();
        deal.status = Status.Submitted;
    }

    function complete(uint256 id, bytes32 reason, bytes calldata) external {
        Deal storage deal = deals[id];
        if (msg.sender != deal.evaluator) revert NotYou();
        if (deal.status != Status.Submitted) revert NotNow();
        (deal.status, deal.reason) = (Status.Completed, reason);
        token.transfer(deal.provider, deal.budget);
    }

    function reject(uint256 id, bytes32 reason, bytes calldata) external {
        Deal storage deal = deals[id];
        if (msg.sender != deal.evaluator) revert NotYou();
        if (deal.status != Status.Funded && deal.status != Status.Submitted) revert NotNow();
        (deal.status, deal.reason) = (Status.Rejected, reason);
        token.transfer(deal.client, deal.budget);
    }

    function claimRefund(uint256 id) external {
        Deal storage deal = deals[id];
        if (deal.status != Status.Funded && deal.status != Status.Submitted) revert NotNow();
        if (block.timestamp < deal.expiredAt) revert NotNow();
        deal.status = Status.Expired;
        token.transfer(deal.client, deal.budget);
    }

    function statusOf(uint256 id) external view returns (Status, bytes32) {
        return (deals[id].status, deals[id].reason);
    }
}
