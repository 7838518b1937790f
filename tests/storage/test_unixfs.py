"""Files have the CIDs that Kubo gives them, and no block of another form is taken for a file's node."""

from __future__ import annotations

import hashlib

import pytest
from Crypto.Cipher import ChaCha20
from hypothesis import given, settings
from hypothesis import strategies as st

from app.protocol.errors import BadBlock, TooLarge
from app.storage.cid import DAG_PB, Cid
from app.storage.content import file_cid
from app.storage.unixfs import LEAF_BYTES, MAX_FILE_BYTES, WIDTH, FileBuilder, decode_node, encode_node, height


def kubo_data(size: int, seed: str) -> bytes:
    """Kubo's deterministic test data: the ChaCha20 key stream of SHA-256(seed) under a zero nonce."""
    return ChaCha20.new(key=hashlib.sha256(seed.encode()).digest(), nonce=bytes(8)).encrypt(bytes(size))


@pytest.mark.parametrize(
    ("size", "cid"),
    [
        (LEAF_BYTES, "bafkreiacndfy443ter6qr2tmbbdhadvxxheowwf75s6zehscklu6ezxmta"),
        (LEAF_BYTES + 1, "bafybeigmix7t42i6jacydtquhet7srwvgpizfg7gjbq7627d35mjomtu64"),
    ],
)
def test_small_files_have_kubos_published_cids(size: int, cid: str) -> None:
    """One leaf, and one byte more, have the CIDs of Kubo's test vectors for unixfs-v1-2025."""
    assert file_cid(kubo_data(size, "chunk-v1-seed")) == cid


def test_a_short_text_has_kubos_published_cid() -> None:
    """The smallest vector of the profile."""
    assert file_cid(b"hello world") == "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"


@pytest.mark.deep
@pytest.mark.parametrize(
    ("size", "cid"),
    [
        (1 << 30, "bafybeihmf37wcuvtx4hpu7he5zl5qaf2ineo2lqlfrapokkm5zzw7zyhvm"),
        ((1 << 30) + 1, "bafybeibdsi225ugbkmpbdohnxioyab6jsqrmkts3twhpvfnzp77xtzpyhe"),
    ],
)
def test_wide_files_have_kubos_published_cids(size: int, cid: str) -> None:
    """A full node of 1024 leaves, and one byte more (two levels), have the CIDs of Kubo's test vectors."""
    assert file_cid(kubo_data(size, "v1-2025-seed")) == cid


SIZES = st.one_of(
    st.integers(LEAF_BYTES + 1, 5 * LEAF_BYTES),
    st.integers(LEAF_BYTES * WIDTH - 2, LEAF_BYTES * WIDTH + 2),
    st.integers(LEAF_BYTES + 1, 40 * LEAF_BYTES * WIDTH),
    st.integers(MAX_FILE_BYTES - 2, MAX_FILE_BYTES),
)


def top_node(size: int) -> bytes:
    """The top node of a file of `size` bytes; its children's digests stand for no real blocks."""
    level = height(size)
    children = -(-size // (LEAF_BYTES * WIDTH ** (level - 1)))
    return encode_node(size, level, [hashlib.sha256(bytes((i % 256,))).digest() for i in range(children)])


@settings(max_examples=40, deadline=None)
@given(SIZES)
def test_a_node_is_read_back(size: int) -> None:
    """Every size gives a node that decodes to that size and those children."""
    block = top_node(size)
    node = decode_node(block)
    assert (node.size, node.height) == (size, height(size))
    assert encode_node(node.size, node.height, node.digests) == block
    assert sum(node.child_size(i) for i in range(len(node.digests))) == size


@settings(max_examples=200, deadline=None)
@given(st.integers(LEAF_BYTES + 1, 3 * LEAF_BYTES), st.data())
def test_a_changed_node_is_refused_or_another_node(size: int, data: st.DataObject) -> None:
    """After any one byte of a node changed, it is refused, unless only a child's digest changed."""
    block = bytearray(top_node(size))
    place = data.draw(st.integers(0, len(block) - 1))
    block[place] ^= data.draw(st.integers(1, 255))
    try:
        node = decode_node(bytes(block))
    except BadBlock:
        return
    assert node.digests != decode_node(top_node(size)).digests
    assert node.size == size


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"\x12",
        b"\x12\xff",
        b"\x12" + b"\xff" * 20,
        b"\x0a\x04\x08\x02\x18\x00",  # an empty file as a node
        b"\x0a\x07\x08\x02\x12\x01x\x18\x01",  # a leaf wrapped in a node
        b"\x0a\x02\x08\x01",  # a directory
        top_node(2 * LEAF_BYTES) + b"\x00",
        top_node(2 * LEAF_BYTES)[:-1],
        b"\x00" * LEAF_BYTES,
    ],
    ids=["empty", "cut", "varint", "endless", "empty-file", "wrapped", "directory", "longer", "shorter", "zeros"],
)
def test_other_forms_are_refused(block: bytes) -> None:
    """Directories, wrapped leaves, cut and padded nodes are not nodes of the profile."""
    with pytest.raises(BadBlock, match="unixfs-v1-2025"):
        decode_node(block)


def test_a_file_beyond_the_limit_is_refused() -> None:
    """A size that two levels cannot hold is too large, before any memory is taken for it."""
    with pytest.raises(TooLarge, match="over the limit"):
        height(MAX_FILE_BYTES + 1)


def test_leaves_come_full_and_in_order() -> None:
    """Another leaf after a short one is a programming error, not a different tree."""
    seen: list[Cid] = []
    builder = FileBuilder(lambda cid, _block: seen.append(cid))
    builder.leaf(bytes(LEAF_BYTES))
    builder.leaf(b"x")
    with pytest.raises(ValueError, match="full"):
        builder.leaf(b"y")
    assert builder.finish().codec == DAG_PB
    assert len(seen) == 3
