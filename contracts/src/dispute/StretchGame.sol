// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Prefix} from "./Prefix.sol";
import {ReceiptCourt} from "./ReceiptCourt.sol";
import {Tables} from "./Tables.sol";

/// @title Two players cut the words of a line in turn: docs/trace.md, section 8
/// @notice Each names the first of the other's roots that is false, and gives its own for the words between that and the
///         last true one, until one word is between.
abstract contract StretchGame is ReceiptCourt {
    /// @notice Most levels of the tree that one list of roots goes down; lists of a line are about equally long.
    uint256 public constant LOOK = 5;

    /// @notice Words of a line of which the player that has moved last says what they are, and the other that they are not.
    /// @param line keccak256 of the lookup's claim
    /// @param levels of the tree over all words
    /// @param level of the node whose words they are, below the root
    /// @param bits levels that the list of roots goes down
    struct Stretch {
        bytes32 line;
        uint64 levels;
        uint64 level;
        uint64 node;
        uint64 bits;
    }

    /// @notice Two neighbours of a list of roots: the one over all words before part number `part` of a stretch, and the one
    ///         that has those of this part too. `path`: what leads from them to the list's digest.
    struct Pick {
        uint64 part;
        bytes32 low;
        bytes32 high;
        bytes32[] path;
    }

    /// @param level of the node that the roots are about, and its number, as in `Stretch`
    event DisputeCut(
        uint256 indexed dispute,
        uint256 indexed job,
        Phase phase,
        uint40 deadline,
        uint64 level,
        uint64 node,
        bytes32 low,
        bytes32[] roots
    );

    error WrongRoots();

    /// @notice Who says that a word of a lookup is false gives its roots over the words of that.
    function begin(uint256 dispute, Position memory position, Tables.Claim memory claim, bytes32[] calldata roots)
        external
    {
        bytes32 line = keccak256(abi.encode(claim));
        _turnOf(dispute, position, line);
        _begin(dispute, position, line, claim.levels, roots);
    }

    /// @notice Names the first of the roots that is false, and gives those over the words between.
    function cut(
        uint256 dispute,
        Position memory position,
        Stretch memory stretch,
        Pick calldata pick,
        bytes32[] calldata roots
    ) external {
        _turnOf(dispute, position, _picked(stretch, pick));
        (stretch.level, stretch.node) = (stretch.level + stretch.bits, stretch.node << stretch.bits | pick.part);
        if (stretch.level == stretch.levels || roots[roots.length - 1] == pick.high) revert WrongRoots();
        _cut(dispute, position, stretch, pick.low, roots);
    }

    function _begin(uint256 dispute, Position memory position, bytes32 line, uint64 levels, bytes32[] calldata roots)
        internal
    {
        _cut(dispute, position, Stretch(line, levels, 0, 0, 0), 0, roots);
    }

    /// @dev The caller stands for `roots` over the parts of a stretch; `low` is the root before all of them.
    function _cut(
        uint256 dispute,
        Position memory position,
        Stretch memory stretch,
        bytes32 low,
        bytes32[] calldata roots
    ) private {
        uint256 left = stretch.levels - stretch.level;
        stretch.bits = uint64(Math.ceilDiv(left, Math.ceilDiv(left, LOOK)));
        if (roots.length != 1 << stretch.bits) revert WrongRoots();
        _pass(dispute, position, keccak256(abi.encode(stretch, Prefix.listed(low, roots))));
        (Phase phase, uint40 deadline) = (position.phase, position.deadline);
        emit DisputeCut(dispute, position.job, phase, deadline, stretch.level, stretch.node, low, roots);
    }

    /// @dev As `_turn`, where either player may be to move: the one whose phase it is.
    function _turnOf(uint256 dispute, Position memory position, bytes32 claim) internal view {
        if (digestOf[dispute] != _digest(position, claim)) revert WrongDispute(dispute);
        if (position.phase == Phase.SHOW) return _inTime(dispute, position.executor, position.deadline);
        if (position.phase != Phase.NARROW) revert WrongPhase(dispute, position.phase);
        _inTime(dispute, position.challenger, position.deadline);
    }

    /// @dev As `_keep`; the other player is to move.
    function _pass(uint256 dispute, Position memory position, bytes32 claim) internal {
        position.phase = position.phase == Phase.SHOW ? Phase.NARROW : Phase.SHOW;
        position.deadline = uint40(block.timestamp + moveWindow);
        digestOf[dispute] = _digest(position, claim);
    }

    /// @dev The claim whose list of roots has a pick.
    function _picked(Stretch memory stretch, Pick calldata pick) internal pure returns (bytes32) {
        if (pick.path.length != stretch.bits || pick.part >> stretch.bits != 0) revert WrongRoots();
        bytes32 list = Prefix.listedAt(pick.low, pick.high, pick.part, pick.path);
        return keccak256(abi.encode(stretch, list));
    }
}
