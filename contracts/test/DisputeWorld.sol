// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IJobMarket} from "../src/interfaces/IJobMarket.sol";
import {LinearGame} from "../src/dispute/LinearGame.sol";
import {Leaves} from "../src/dispute/Leaves.sol";
import {Programs} from "../src/dispute/Programs.sol";
import {Receipts} from "../src/dispute/Receipts.sol";
import {Tree} from "./Tree.sol";
import {World} from "./World.sol";

/// @title A small dataset and circuit of whole numbers, and both players of a dispute about it
/// @dev Two shards, three wires of files that have two values each, two outputs of two and three terms.
abstract contract DisputeWorld is World {
    uint64 internal constant SIZE = 16; // N: a chunk is one leaf
    uint256 internal constant WIRES = 3;
    uint64[2] internal shardRows = [uint64(40), 110];

    Programs.Program internal program;
    bytes internal programWords;
    bytes32 internal dataRoot;
    bytes32[] internal fileRoots;
    uint64[] internal biases = [uint64(7), type(uint64).max - 5];
    uint64[][] internal weights;
    uint256[][] internal wires;
    uint256 internal seed;
    uint64 internal firstRow;
    uint64 internal rows;
    uint256 internal job;
    string internal cid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

    /// @dev The word of a wire in a row of the dataset, whatever it says.
    function _x(uint256 wire, uint256 row) internal view returns (uint64) {
        return uint64(uint256(keccak256(abi.encode(seed, wire, row))));
    }

    /// @dev File of wire w in shard s: other values first, then those that the wire reads.
    function _file(uint256 shard, uint256 wire) internal view returns (bytes memory) {
        uint256 chunk = (shardRows[shard] + SIZE - 1) / SIZE * SIZE;
        uint64[] memory words = new uint64[](2 * chunk);
        for (uint256 i = 0; i < words.length; ++i) {
            bool read = i >= chunk && i - chunk < shardRows[shard];
            uint256 row = (shard == 0 ? 0 : shardRows[0]) + i - (read ? chunk : 0);
            words[i] = read ? _x(wire, row) : uint64(i);
        }
        return Tree.file(words);
    }

    /// @dev Everything up to an order: `block_` rows a value.
    function _world(uint256 seed_, uint256 block_, uint64 firstRow_, uint64 rows_) internal {
        (seed, firstRow, rows) = (seed_, firstRow_, rows_);
        weights.push([uint64(3), type(uint64).max]);
        weights.push([uint64(1) << 40, 5, uint64(uint256(keccak256(abi.encode(seed_))))]);
        wires.push([uint256(0), 2]);
        wires.push([uint256(0), 1, 2]);
        for (uint256 f = 0; f < 2 * WIRES; ++f) {
            fileRoots.push(Tree.root(_file(f / WIRES, f % WIRES)));
        }
        dataRoot = Tree.fold(Tree.files(fileRoots));
        programWords = Tree.file(_words());
        program = Programs.Program({
            kind: block_ == 1 ? 0 : 1,
            evaluator: 2,
            size: SIZE,
            width: 27,
            outputs: 2,
            terms: 5,
            inputs: WIRES,
            shards: 2,
            files: 2 * WIRES,
            block: block_,
            length: programWords.length / 8,
            words: Tree.root(programWords),
            more: 0
        });
    }

    function _words() private view returns (uint64[] memory words) {
        words = new uint64[](16 + 16 + 32 + 16);
        (words[0], words[1], words[2]) = (biases[0], 0, 2);
        (words[4], words[5], words[6]) = (biases[1], 2, 3);
        uint256 place = 16;
        for (uint256 o = 0; o < 2; ++o) {
            for (uint256 t = 0; t < weights[o].length; ++t) {
                words[place++] = uint64(wires[o][t]);
                words[place++] = weights[o][t];
            }
        }
        for (uint256 f = 0; f < 2 * WIRES; ++f) {
            uint64 chunk = (shardRows[f / WIRES] + SIZE - 1) / SIZE * SIZE;
            (words[32 + 4 * f], words[33 + 4 * f], words[34 + 4 * f]) = (uint64(f), chunk, 16 * chunk);
        }
        (words[64], words[65], words[66], words[67]) = (0, shardRows[0], shardRows[0], shardRows[1]);
    }

    /// @dev A drawn job on that dataset.
    function _ordered(uint8 replicas, uint256 bonded) internal {
        vm.startPrank(owner);
        uint256 dataset = datasets.publish(MANIFEST, RAW, dataRoot, PROFILE, 150, custodian);
        jobs.bondCustodian(dataset, CUSTODY);
        vm.stopPrank();
        uint256 offer = _offerOn(dataset);
        vm.prank(buyer);
        uint256 license = licenses.buy(offer);
        _bondFirst(bonded);
        job = _again(license, replicas);
    }

    function _again(uint256 license, uint8 replicas) internal returns (uint256 opened) {
        IJobMarket.Order memory order = _order(license, replicas);
        (order.firstRow, order.rows) = (firstRow, rows);
        order.content = keccak256(abi.encode(MANIFEST, RAW, dataRoot, PROFILE));
        bytes32 digest = sha256(abi.encode(program)); // before the prank: a precompile is called
        vm.prank(buyer);
        opened = jobs.openWithProgram(order, digest);
        _draw(opened);
    }

    // What is true

    function _sums(uint256 output, uint256 row) internal view returns (uint64[] memory totals) {
        totals = new uint64[](weights[output].length + 1);
        totals[0] = biases[output];
        unchecked {
            for (uint256 t = 1; t < totals.length; ++t) {
                totals[t] = totals[t - 1] + weights[output][t - 1] * _x(wires[output][t - 1], row);
            }
        }
    }

    function _sum(uint256 output, uint256 low, uint256 high) internal view returns (uint64 total) {
        unchecked {
            for (uint256 row = low; row < high; ++row) {
                uint64[] memory totals = _sums(output, row);
                total += totals[totals.length - 1];
            }
        }
    }

    function _resultRows() internal view returns (uint256) {
        return (rows + program.block - 1) / program.block;
    }

    /// @dev The output file of an honest executor, as words.
    function _output() internal view returns (uint64[] memory words) {
        uint256 count = _resultRows();
        words = new uint64[](3 + 2 * count);
        words[0] = 0x313054554f4b5244;
        words[1] = 2 << 32 | 4 << 24 | 27 << 16 | 64 << 8;
        words[2] = uint64(count);
        for (uint256 o = 0; o < 2; ++o) {
            for (uint256 r = 0; r < count; ++r) {
                (uint64 low, uint64 high) = _rowsOf(r);
                words[3 + o * count + r] = _sum(o, low, high);
            }
        }
    }

    function _rowsOf(uint256 row) internal view returns (uint64 low, uint64 high) {
        low = uint64(firstRow + row * program.block);
        high = uint64(low + program.block);
        if (high > firstRow + rows) high = firstRow + rows;
    }

    function _wordOf(uint256 value) internal view returns (uint256) {
        return 3 + value % 2 * _resultRows() + value / 2;
    }

    // What players show

    function _receipt(uint64[] memory output) internal view returns (Receipts.Receipt memory) {
        return Receipts.Receipt({
            manifest: MANIFEST,
            dataRoot: dataRoot,
            circuit: CIRCUIT,
            profile: PROFILE,
            firstRow: firstRow,
            rows: rows,
            output: cid,
            outputRoot: Tree.root(Tree.file(output))
        });
    }

    function _digest(uint64[] memory output) internal view returns (bytes32) {
        return Receipts.digest(_receipt(output), _place(output.length));
    }

    function _place(uint256 words) internal view returns (Receipts.Place memory) {
        return Receipts.Place({
            market: _spelled(), job: job, evaluator: program.evaluator, form: "bodies", outputBytes: 8 * words
        });
    }

    function _spelled() internal view virtual returns (string memory);

    function _packed(uint64[] memory totals) internal pure returns (bytes memory data) {
        data = new bytes(8 * totals.length + 32);
        for (uint256 i = 0; i < totals.length; ++i) {
            uint64 total = totals[i];
            assembly ("memory-safe") {
                mstore(add(add(data, 32), mul(8, i)), shl(192, total))
            }
        }
        uint256 length = 8 * totals.length;
        assembly ("memory-safe") {
            mstore(data, length)
        }
    }

    function _evidence(LinearGame.Claim memory claim, uint256 term)
        internal
        view
        returns (LinearGame.Evidence memory evidence)
    {
        evidence.output = Tree.leafOf(programWords, 4 * claim.output);
        if (term == 0 || term > weights[claim.output].length) return evidence;
        uint256 shard = claim.low < shardRows[0] ? 0 : 1;
        uint256 wire = wires[claim.output][term - 1];
        evidence.term = Tree.leafOf(programWords, 16 + 2 * ((claim.output == 0 ? 0 : 2) + term - 1));
        evidence.input = Tree.leafOf(programWords, 32 + 4 * (shard * WIRES + wire));
        evidence.shard = Tree.leafOf(programWords, 64);
        evidence.shardNumber = shard;
        evidence.fileRoot = fileRoots[shard * WIRES + wire];
        evidence.filePath = Tree.path(Tree.files(fileRoots), shard * WIRES + wire);
        uint256 chunk = (shardRows[shard] + SIZE - 1) / SIZE * SIZE;
        uint256 word = chunk + claim.low - (shard == 0 ? 0 : shardRows[0]);
        evidence.word = Tree.leafOf(_file(shard, wire), word);
    }

    /// @dev Rows at which a look cuts a claim.
    function _cut(LinearGame.Claim memory claim, uint256 k) internal pure returns (uint64) {
        uint256 length = claim.high - claim.low;
        uint256 parts = length < 128 ? length : 128;
        return uint64(claim.low + length * k / parts);
    }
}
