// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {Court} from "./Court.sol";
import {Leaves} from "./Leaves.sol";
import {Programs} from "./Programs.sol";
import {Receipts} from "./Receipts.sol";

/// @title What every game begins with: the receipt that an executor revealed, and its output file
abstract contract ReceiptCourt is Court {
    /// @notice Most terms of an output: the challenger has to bring again what the executor shows.
    uint256 public constant MOST_TERMS = 4096;
    /// @dev Multicodec of a manifest's CID: bytes as they are.
    uint8 private constant RAW = 0x55;
    uint256 internal constant HEADER = 3; // words of an output file before its values
    uint64 private constant MAGIC = 0x3130_5455_4f4b_5244; // DRKOUT01

    /// @dev The job market's address as receipts spell it.
    bytes32 private immutable _spelled;
    bytes10 private immutable _spelledOn;

    error WrongOrder();
    error WrongReceipt();
    error WrongHeader();
    error WrongTotals();
    error WrongClaim();

    constructor(address jobMarket_, uint256 leastBond_, uint256 moveWindow_)
        Court(jobMarket_, leastBond_, moveWindow_)
    {
        bytes memory spelled = bytes(Strings.toChecksumHexString(jobMarket_));
        bytes32 first;
        bytes32 rest;
        assembly ("memory-safe") {
            first := mload(add(spelled, 32))
            rest := mload(add(spelled, 64))
        }
        (_spelled, _spelledOn) = (first, bytes10(rest));
    }

    /// @dev Reverts unless this is the receipt that was revealed, of the very order, with an output file of `length` bytes.
    function _checkReceipt(
        Dispute memory state,
        Programs.Program memory program,
        Receipts.Receipt memory receipt,
        bytes32 digest,
        uint256 length,
        string memory form
    ) internal view {
        bytes32 content = keccak256(abi.encode(receipt.manifest, RAW, receipt.dataRoot, receipt.profile));
        bytes32 order = keccak256(abi.encode(receipt.circuit, receipt.firstRow, receipt.rows, content, digest));
        if (order != state.order) revert WrongOrder();
        Receipts.Place memory place = Receipts.Place({
            market: string(abi.encodePacked(_spelled, _spelledOn)),
            job: state.job,
            evaluator: program.evaluator,
            form: form,
            outputBytes: length
        });
        if (Receipts.digest(receipt, place) != state.receipt) revert WrongReceipt();
    }

    /// @dev The words before an output file's values: docs/canonical-evaluator.md, section 8.
    function _checkHeader(Programs.Program memory program, uint256 form, uint256 bits, uint256 rows, bytes memory leaf)
        internal
        pure
    {
        uint256 shape = program.outputs << 32 | Math.log2(program.size) << 24 | program.width << 16 | bits << 8 | form;
        if (Leaves.wordAt(leaf, 0) != MAGIC || Leaves.wordAt(leaf, 1) != shape || Leaves.wordAt(leaf, 2) != rows) {
            revert WrongHeader();
        }
    }

    function _at(bytes calldata totals, uint256 index) internal pure returns (uint64) {
        return uint64(bytes8(totals[8 * index:8 * index + 8]));
    }
}
