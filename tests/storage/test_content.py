"""What comes out of a store is what was asked for, whatever the folder holds."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.protocol.errors import BadBlock, BadDocument, NotFound, TooLarge, Unavailable
from app.protocol.ids import Digest
from app.storage.cid import DAG_PB, RAW, Cid, digest_to_cid, of_block
from app.storage.content import ContentStore, file_cid
from app.storage.folder import BlockStore
from app.storage.unixfs import LEAF_BYTES, MAX_BLOCK_BYTES, encode_node

GIB = 1 << 30
LONG = random.Random(7).randbytes(3 * LEAF_BYTES + 4321)


class Memory:
    """Blocks in a dictionary, counting reads."""

    def __init__(self) -> None:
        self.held: dict[Cid, bytes] = {}
        self.reads: list[Cid] = []

    def has(self, cid: Cid) -> bool:
        return cid in self.held

    def get(self, cid: Cid) -> bytes:
        self.reads.append(cid)
        if cid not in self.held:
            raise NotFound("not here")
        return self.held[cid]

    def put(self, cid: Cid, block: bytes | bytearray | memoryview) -> None:
        self.held[cid] = bytes(block)

    def pin(self, cid: Cid) -> None:
        assert cid in self.held

    def pinned(self, cid: Cid) -> bool:
        """Whether a file is kept."""
        return False

    @property
    def removes(self) -> bool:
        """Each block goes alone."""
        return True

    def unpin(self, cid: Cid) -> None:
        assert cid in self.held

    def remove(self, cid: Cid) -> None:
        del self.held[cid]


@pytest.mark.parametrize("size", [0, 1, 127, LEAF_BYTES - 1, LEAF_BYTES, LEAF_BYTES + 1, 2 * LEAF_BYTES])
def test_bytes_come_back(store: BlockStore, size: int) -> None:
    """What was put is read back, with its size, and the same bytes have the same CID everywhere."""
    data = LONG[:size]
    cid = store.put(data)
    assert cid == file_cid(data)
    assert store.has(cid)
    assert store.size(cid) == size
    assert store.read(cid, limit=GIB) == data


def test_what_was_put_can_be_taken_back(store: BlockStore) -> None:
    """What one door put goes again, large or small; what was there before or came by another door stays."""
    old = store.put(LONG[:10])
    door, recording = store.recorded()
    new = door.put(LONG[: 2 * LEAF_BYTES + 1])
    assert door.put(LONG[:10]) == old
    other = store.put(LONG[:20])
    assert store.size(new) == 2 * LEAF_BYTES + 1
    recording.undo()
    assert sorted(store.blocks()) == sorted([old, other])
    assert not store.has(new)


def test_a_file_on_disk_has_the_cid_of_its_bytes(store: BlockStore, tmp_path: Path) -> None:
    """put_file and put name the same bytes alike."""
    path = tmp_path / "long.bin"
    path.write_bytes(LONG)
    assert store.put_file(path) == file_cid(LONG)
    with pytest.raises(Unavailable, match=r"missing\.bin"):
        store.put_file(tmp_path / "missing.bin")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_range_is_the_slice(data: st.DataObject) -> None:
    """A ranged read equals the slice of the file, for any range inside it."""
    start = data.draw(st.integers(0, len(LONG)))
    stop = data.draw(st.integers(start, len(LONG)))
    assert MEMORY_STORE.read(LONG_CID, start, stop - start, limit=GIB) == LONG[start:stop]


MEMORY_STORE = ContentStore(Memory())
LONG_CID = MEMORY_STORE.put(LONG)


def test_a_range_touches_only_its_leaves() -> None:
    """A read inside one leaf fetches that leaf and the node above it; the node is then kept."""
    blocks = Memory()
    store = ContentStore(blocks)
    cid = store.put(LONG)
    store.read(cid, 2 * LEAF_BYTES + 5, 100, limit=100)
    assert [read.codec for read in blocks.reads] == [DAG_PB, RAW]
    store.read(cid, LEAF_BYTES - 1, 2, limit=2)
    assert [read.codec for read in blocks.reads[2:]] == [RAW, RAW]
    store.read(cid, 10, 0, limit=0)
    assert len(blocks.reads) == 4


def test_ranges_of_a_file_of_two_levels() -> None:
    """In a file of more than 1024 leaves a range reads its way down through both levels."""
    blocks = Memory()
    leaf = random.Random(3).randbytes(LEAF_BYTES)
    name = of_block(RAW, leaf)
    blocks.put(name, leaf)
    full = encode_node(1024 * LEAF_BYTES, 1, [name.digest] * 1024)
    rest = encode_node(2 * LEAF_BYTES, 1, [name.digest] * 2)
    size = 1026 * LEAF_BYTES
    top = encode_node(size, 2, [of_block(DAG_PB, full).digest, of_block(DAG_PB, rest).digest])
    for block in (full, rest, top):
        blocks.put(of_block(DAG_PB, block), block)
    store = ContentStore(blocks)
    cid = of_block(DAG_PB, top).text
    assert store.size(cid) == size
    assert store.read(cid, 1023 * LEAF_BYTES + 10, 2 * LEAF_BYTES, limit=GIB) == (leaf * 3)[10 : 10 + 2 * LEAF_BYTES]
    assert store.read(cid, size - 7, limit=7) == leaf[-7:]
    assert len(blocks.reads) == 3 + 3 + 1
    with pytest.raises(TooLarge, match="over the limit"):
        store.read(cid, limit=GIB)


@pytest.mark.parametrize(
    ("offset", "length"), [(-1, 1), (0, len(LONG) + 1), (len(LONG) + 1, 0), (5, -1), (len(LONG), 1)]
)
def test_a_range_outside_the_file_is_refused(offset: int, length: int) -> None:
    """A range that the file does not contain is an error, never a shorter answer."""
    with pytest.raises(BadBlock, match="do not contain"):
        MEMORY_STORE.read(LONG_CID, offset, length, limit=GIB)


def test_the_limit_comes_before_the_bytes() -> None:
    """A read above its limit is refused before any leaf is fetched."""
    blocks = Memory()
    store = ContentStore(blocks)
    cid = store.put(LONG)
    with pytest.raises(TooLarge, match="over the limit of 100"):
        store.read(cid, limit=100)
    assert [read.codec for read in blocks.reads] == [DAG_PB]


def block_files(folder: Path) -> list[Path]:
    """The files of all blocks in the folder."""
    return [file for file in folder.rglob("b*") if file.is_file()]


def flip(block: bytes) -> bytes:
    """One bit in the middle."""
    middle = len(block) // 2
    return block[:middle] + bytes((block[middle] ^ 4,)) + block[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        flip,
        lambda block: block[:-1],
        lambda block: block + b"\x00",
        lambda block: b"",
        lambda block: block[:-1] + bytes((block[-1] ^ 128,)),
        lambda block: bytes((block[0] ^ 1,)) + block[1:],
        lambda block: bytes(len(block)),
        lambda block: block * (1 + MAX_BLOCK_BYTES // len(block)),
    ],
    ids=["flip", "cut", "padded", "emptied", "last-bit", "first-bit", "zeros", "huge"],
)
@pytest.mark.parametrize("which", [RAW, DAG_PB])
def test_a_damaged_block_is_refused(
    store: BlockStore, folder: Path, damage: Callable[[bytes], bytes], which: int
) -> None:
    """Every kind of damage to a leaf or a node is found before a byte of the file is passed on; `put` repairs it."""
    cid = store.put(LONG)
    prefix = "bafk" if which == RAW else "bafy"
    victim = next(file for file in block_files(folder) if file.name.startswith(prefix))
    victim.write_bytes(damage(victim.read_bytes()))
    with pytest.raises(BadBlock, match="does not hash"):
        BlockStore(folder).read(cid, limit=GIB)
    store.put(LONG)
    assert BlockStore(folder).read(cid, limit=GIB) == LONG


def test_swapped_blocks_are_refused(store: BlockStore, folder: Path) -> None:
    """A good block under another block's name is refused."""
    first, second = store.put(b"first"), store.put(b"second")
    files = {file.name: file for file in block_files(folder)}
    files[first].write_bytes(b"second")
    with pytest.raises(BadBlock, match=first):
        store.read(first, limit=100)
    assert store.read(second, limit=100) == b"second"


def test_a_missing_block_is_not_found(store: BlockStore, folder: Path) -> None:
    """A block that is not there says so, for a whole file as for one of its leaves."""
    with pytest.raises(NotFound, match="not in this store"):
        store.read(digest_to_cid(Digest("ab" * 32)), limit=1)
    cid = store.put(LONG)
    next(file for file in block_files(folder) if file.name.startswith("bafk")).unlink()
    with pytest.raises(NotFound, match="not in this store"):
        store.read(cid, limit=GIB)
    assert not store.has(digest_to_cid(Digest("ab" * 32)))


@pytest.mark.parametrize("text", ["../../etc/passwd", "", "b" + "a" * 58, "/etc/passwd", "bafk/../" + "a" * 51])
def test_no_name_reaches_outside_the_folder(store: BlockStore, text: str) -> None:
    """A name that is no CID is refused before it becomes a path."""
    for call in (store.has, store.size, lambda cid: store.read(cid, limit=1)):
        with pytest.raises(BadDocument, match="content identifier"):
            call(text)


def test_nodes_whose_sizes_disagree_are_refused() -> None:
    """A node that is well formed but lies about its children is refused when they are read."""
    blocks = Memory()
    short, full = b"short", bytes(LEAF_BYTES)
    for block in (short, full):
        blocks.put(of_block(RAW, block), block)
    lie = encode_node(2 * LEAF_BYTES, 1, [of_block(RAW, short).digest, of_block(RAW, full).digest])
    blocks.put(of_block(DAG_PB, lie), lie)
    store = ContentStore(blocks)
    with pytest.raises(BadBlock, match="5 bytes where"):
        store.read(of_block(DAG_PB, lie).text, 0, 5, limit=5)

    small = encode_node(2 * LEAF_BYTES, 1, [of_block(RAW, full).digest] * 2)
    above = encode_node(1025 * LEAF_BYTES, 2, [of_block(DAG_PB, small).digest] * 2)
    for block in (small, above):
        blocks.put(of_block(DAG_PB, block), block)
    with pytest.raises(BadBlock, match="another size"):
        store.read(of_block(DAG_PB, above).text, 0, 5, limit=5)


def test_an_inner_node_is_not_a_file() -> None:
    """A node that only stands inside a longer file has no meaning as a file of its own."""
    blocks = Memory()
    leaf = b"tail"
    tail = encode_node(len(leaf), 1, [of_block(RAW, leaf).digest])
    for codec, block in ((RAW, leaf), (DAG_PB, tail)):
        blocks.put(of_block(codec, block), block)
    with pytest.raises(BadBlock, match="inner node"):
        ContentStore(blocks).read(of_block(DAG_PB, tail).text, limit=10)


def test_blocks_are_listed(store: BlockStore, folder: Path) -> None:
    """`blocks()` names every block once, in a fixed order, and nothing that is not one."""
    store.put(LONG)
    (folder / "zz").mkdir()
    (folder / "zz" / "README").write_text("not a block")
    names = list(store.blocks())
    assert len(names) == len(set(names)) == 5
    assert names == list(BlockStore(folder).blocks())


def _put_many(folder: Path) -> list[str]:
    store = BlockStore(folder)
    return [store.put(LONG[: LEAF_BYTES + i]) for i in range(20)]


def test_two_processes_write_the_same_store(folder: Path) -> None:
    """Processes that put the same files at once agree, and what they leave is whole."""
    with get_context("spawn").Pool(2) as pool:
        first, second = pool.map(_put_many, [folder, folder])
    assert first == second
    store = BlockStore(folder)
    assert all(store.read(cid, limit=GIB) == LONG[: LEAF_BYTES + i] for i, cid in enumerate(first))
    assert not list((folder / "tmp").iterdir())


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A store whose folder cannot exist says so instead of failing later."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be opened"):
        BlockStore(tmp_path / "file" / "store")


@given(cuts=st.lists(st.integers(0, 2_200_000), max_size=6), length=st.integers(0, 2_200_000))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pieces_make_the_same_file(tmp_path: Path, cuts: list[int], length: int) -> None:
    """However a file is cut into pieces, its CID is that of the whole."""
    store = BlockStore(tmp_path / "pieces")
    data = bytes(range(256)) * (length // 256 + 1)
    edges = [0, *sorted(min(cut, length) for cut in cuts), length]
    pieces = (memoryview(data)[low:high] for low, high in pairwise(edges))
    assert store.put_pieces(pieces) == file_cid(data[:length])
