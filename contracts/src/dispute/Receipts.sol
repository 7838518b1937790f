// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";

/// @title Receipts as the bytes that their digests are of: docs/formats.md, section 6
/// @notice A receipt is written from its fields, so that nothing has to be read out of a text, and no text has two
///         readings.
library Receipts {
    /// @param output the output file's CID: digits and small letters alone
    struct Receipt {
        bytes32 manifest;
        bytes32 dataRoot;
        bytes32 circuit;
        bytes32 profile;
        uint256 firstRow;
        uint256 rows;
        string output;
        bytes32 outputRoot;
    }

    /// @param market the job market's address, in EIP-55 spelling
    struct Place {
        string market;
        uint256 job;
        uint256 evaluator;
        string form;
        uint256 outputBytes;
    }

    error NoCid();

    function digest(Receipt memory receipt, Place memory place) internal view returns (bytes32) {
        _checkCid(bytes(receipt.output));
        bytes memory head = abi.encodePacked(
            '{"chain_id":',
            Strings.toString(block.chainid),
            ',"circuit":"',
            hexOf(receipt.circuit),
            '","data_root":"',
            hexOf(receipt.dataRoot),
            '","evaluator":"darkroom-canonical-',
            Strings.toString(place.evaluator),
            '","first_row":',
            Strings.toString(receipt.firstRow),
            ',"form":"',
            place.form,
            '","job":',
            Strings.toString(place.job)
        );
        bytes memory middle = abi.encodePacked(
            ',"kind":"darkroom/receipt","manifest":"',
            hexOf(receipt.manifest),
            '","market":"',
            place.market,
            '","output":"',
            receipt.output,
            '","output_bytes":',
            Strings.toString(place.outputBytes)
        );
        return sha256(
            abi.encodePacked(
                head,
                middle,
                ',"output_root":"',
                hexOf(receipt.outputRoot),
                '","profile":"',
                hexOf(receipt.profile),
                '","rows":',
                Strings.toString(receipt.rows),
                "}"
            )
        );
    }

    /// @notice 64 lower-case digits.
    function hexOf(bytes32 value) internal pure returns (bytes memory) {
        return abi.encodePacked(_digits(uint256(value) >> 128), _digits(uint256(value) & type(uint128).max));
    }

    /// @dev The 32 digits of 16 bytes: each nibble moves to a byte of its own, and letters come 39 behind digits.
    function _digits(uint256 x) private pure returns (bytes32) {
        unchecked {
            x = (x | x << 64) & 0x0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff;
            x = (x | x << 32) & 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
            x = (x | x << 16) & 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;
            x = (x | x << 8) & 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
            x = (x | x << 4) & 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f;
            uint256 ones = 0x0101010101010101010101010101010101010101010101010101010101010101;
            uint256 letters = ((x + 6 * ones) >> 4) & ones;
            return bytes32(x + 48 * ones + 39 * letters);
        }
    }

    function _checkCid(bytes memory cid) private pure {
        if (cid.length > 64) revert NoCid();
        bool others = false;
        assembly ("memory-safe") {
            for { let i := 1 } iszero(gt(i, mload(cid))) { i := add(i, 1) } {
                let c := and(mload(add(cid, i)), 0xff)
                others := or(others, and(gt(sub(c, 0x30), 9), gt(sub(c, 0x61), 25)))
            }
        }
        if (others) revert NoCid();
    }
}
