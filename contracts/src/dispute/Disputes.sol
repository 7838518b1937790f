// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LineRules} from "./LineRules.sol";
import {LinearGame} from "./LinearGame.sol";
import {LookupGame} from "./LookupGame.sol";
import {ReceiptCourt} from "./ReceiptCourt.sol";

/// @title Whether a receipt is false, played out between whoever says so and the executor that revealed it
contract Disputes is LinearGame, LookupGame {
    constructor(address jobMarket_, uint256 leastBond_, uint256 moveWindow_, LineRules rules_)
        ReceiptCourt(jobMarket_, leastBond_, moveWindow_)
        LookupGame(rules_)
    {}
}
