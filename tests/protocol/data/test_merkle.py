"""Merkle roots: as the definition says, however the bytes arrive, and provable leaf by leaf."""

from __future__ import annotations

import itertools
import random
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.protocol.data import merkle

DATA = random.Random(5).randbytes((1 << 21) + 777)


def by_definition(leaves: list[bytes]) -> bytes:
    """The recursive definition, word for word."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + by_definition(leaves[:half]) + by_definition(leaves[half:])).digest()


def cut(data: bytes) -> list[bytes]:
    """Leaves of 128 bytes, hashed."""
    return [sha256(b"\x00" + data[i : i + 128]).digest() for i in range(0, len(data) or 1, 128)]


@pytest.mark.parametrize("length", [0, 1, 127, 128, 129, 256, 300, 128 * 7, 128 * 8, 128 * 9, 1 << 20, len(DATA)])
def test_the_root_is_the_definitions(length: int) -> None:
    """The root equals the recursive definition for lengths around every boundary."""
    assert merkle.root(DATA[:length]) == by_definition(cut(DATA[:length])).hex()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, len(DATA)), max_size=6), st.integers(0, len(DATA)))
def test_pieces_do_not_matter(cuts: list[int], length: int) -> None:
    """However the bytes are cut into updates, the root is that of the whole."""
    builder = merkle.Builder()
    places = [0, *sorted(c for c in cuts if c < length), length]
    for start, stop in itertools.pairwise(places):
        builder.update(DATA[start:stop])
    assert builder.root() == merkle.root(DATA[:length])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 5000), st.data())
def test_every_leaf_has_a_proof(length: int, data: st.DataObject) -> None:
    """The proof of any leaf verifies for that leaf, and for no other bytes, place, length or root."""
    body = DATA[:length]
    leaf = data.draw(st.integers(0, merkle.leaves(length) - 1))
    root, siblings = merkle.root(body), merkle.proof(body, leaf)
    piece = body[leaf * 128 : leaf * 128 + 128]
    assert merkle.verify(root, piece, leaf, length, siblings)
    assert not merkle.verify(root, bytes((piece[0] ^ 1,)) + piece[1:] if piece else b"x", leaf, length, siblings)
    assert not merkle.verify("00" * 32, piece, leaf, length, siblings)
    assert not merkle.verify(root, piece, merkle.leaves(length), length, siblings)
    assert not merkle.verify(root, piece, -1, length, siblings)
    assert not merkle.verify(root, piece, leaf, length, [*siblings, "00" * 32])
    if siblings:
        assert not merkle.verify(root, piece, leaf, length, siblings[1:])
        assert not merkle.verify(root, piece, leaf, length, ["zz" * 32, *siblings[1:]])
        assert not merkle.verify(root, piece, leaf, length, ["00" * 31, *siblings[1:]])
        other = (leaf + 1) % merkle.leaves(length)
        same = body[other * 128 : other * 128 + 128] == piece
        assert same or not merkle.verify(root, piece, other, length, siblings)


def test_a_leaf_that_is_not_there_has_no_proof() -> None:
    """Asking for a leaf beyond the end is an error."""
    with pytest.raises(IndexError):
        merkle.proof(bytes(256), 2)


def test_a_node_is_not_a_leaf() -> None:
    """The 64 bytes under a node, given as data, do not have the node's digest: no second file has a file's root."""
    body = DATA[:256]
    leaves = cut(body)
    assert merkle.root(leaves[0] + leaves[1]) != merkle.root(body)
    assert merkle.root(b"\x01" + leaves[0] + leaves[1]) != merkle.root(body)


def test_length_is_part_of_the_root() -> None:
    """Trailing zeros are bytes like others."""
    roots = {merkle.root(bytes(n)) for n in range(600)}
    assert len(roots) == 600


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40), st.data())
def test_files_have_proofs_to_the_data_root(digests: list[bytes], data: st.DataObject) -> None:
    """Every file's root is provable under the data root, at its own place only."""
    roots = [digest.hex() for digest in digests]
    file = data.draw(st.integers(0, len(roots) - 1))
    top, siblings = merkle.data_root(roots), merkle.file_proof(roots, file)
    assert top == by_definition([sha256(b"\x02" + digest).digest() for digest in digests]).hex()
    assert merkle.verify_file(top, roots[file], file, len(roots), siblings)
    assert not merkle.verify_file(top, "11" * 32, file, len(roots), siblings)
    assert not merkle.verify_file(top, roots[file], len(roots), len(roots), siblings)


def test_a_file_boundary_cannot_be_moved() -> None:
    """Two files and one file of the same bytes have different data roots."""
    halves = [merkle.root(DATA[:128]), merkle.root(DATA[128:256])]
    assert merkle.data_root(halves) != merkle.data_root([merkle.root(DATA[:256])])
    assert merkle.data_root(halves) != merkle.root(DATA[:256])


@pytest.mark.parametrize("roots", [[], ["00"], ["zz" * 32]])
def test_a_data_root_needs_digests(roots: list[str]) -> None:
    """No files, or what is no digest, have no data root."""
    with pytest.raises(ValueError, match=r"32-byte|hexadecimal"):
        merkle.data_root(roots)
