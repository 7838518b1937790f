"""Several stores as one: the right bytes from whichever has them, and copies in all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.protocol.errors import BadBlock, NotFound, Unavailable
from app.storage.content import file_cid
from app.storage.folder import BlockStore
from app.storage.several import SeveralStores
from app.storage.unixfs import LEAF_BYTES

DATA = bytes(range(256)) * (LEAF_BYTES // 128)  # two leaves and the node above them


class Away:
    """A source of blocks that is out of reach when it is told to be."""

    def __init__(self, store: BlockStore) -> None:
        self._there, self.away, self.asked = store.source, False, 0

    def __getattr__(self, name: str) -> Any:
        if name != "removes":
            self.asked += 1
            if self.away:
                raise Unavailable("The store is away.")
        return getattr(self._there, name)


@pytest.fixture
def places(tmp_path: Path) -> tuple[BlockStore, BlockStore]:
    """Two folders."""
    return BlockStore(tmp_path / "one"), BlockStore(tmp_path / "two")


def spoil(folder: Path, *, remove: bool = False) -> None:
    """Damage or remove every block of a folder."""
    for file in [each for each in folder.rglob("*") if each.is_file()]:
        if remove:
            file.unlink()
        else:
            file.write_bytes(b"x" + file.read_bytes()[1:])


def test_what_is_put_is_in_all(places: tuple[BlockStore, BlockStore]) -> None:
    """Each place has every block, and each alone gives the file back."""
    cid = SeveralStores(places).put(DATA)
    assert [each.read(cid, limit=len(DATA)) for each in places] == [DATA, DATA]


@pytest.mark.parametrize("spoiled", ["one", "two"])
@pytest.mark.parametrize("remove", [True, False], ids=["missing", "wrong bytes"])
def test_one_spoiled_place_costs_a_look(
    places: tuple[BlockStore, BlockStore], tmp_path: Path, spoiled: str, remove: bool
) -> None:
    """A block that is missing or wrong in one place comes from the other."""
    both = SeveralStores(places)
    cid = both.put(DATA)
    spoil(tmp_path / spoiled, remove=remove)
    assert both.read(cid, limit=len(DATA)) == DATA
    assert both.verify(cid) == len(DATA)


def test_what_no_place_has_right_is_told_by_its_worst(places: tuple[BlockStore, BlockStore], tmp_path: Path) -> None:
    """Missing everywhere, or wrong wherever it is."""
    both = SeveralStores(places)
    cid = both.put(DATA)
    spoil(tmp_path / "one", remove=True)
    spoil(tmp_path / "two")
    with pytest.raises(BadBlock):
        both.read(cid, limit=len(DATA))
    spoil(tmp_path / "two", remove=True)
    with pytest.raises(NotFound):
        both.read(cid, limit=len(DATA))


def test_a_place_that_is_away_is_left_alone(places: tuple[BlockStore, BlockStore], monkeypatch: Any) -> None:
    """Reads and writes go on with the others; what only it may have is told as out of reach, not as missing."""
    one = Away(places[0])
    monkeypatch.setattr(places[0], "_blocks", one)
    both = SeveralStores(places)
    first = both.put(DATA)
    one.away = True
    assert both.read(first, limit=len(DATA)) == DATA
    asked = one.asked
    second = both.put(DATA[1:])
    assert both.read(second, limit=len(DATA)) == DATA[1:]
    assert one.asked == asked  # it rests
    assert both.places.health() == ["The store is away.", ""]
    with pytest.raises(Unavailable, match="is away"):
        both.read(file_cid(b"nowhere"), limit=100)


def test_nothing_is_told_as_kept_that_no_place_took(places: tuple[BlockStore, BlockStore], monkeypatch: Any) -> None:
    """When all are away, putting is an error."""
    for place in places:
        source = Away(place)
        source.away = True
        monkeypatch.setattr(place, "_blocks", source)
    with pytest.raises(Unavailable, match="away"):
        SeveralStores(places).put(DATA)


def test_what_was_put_into_all_can_be_taken_back(places: tuple[BlockStore, BlockStore]) -> None:
    """A refused publication leaves nothing in any place."""
    door, recording = SeveralStores(places).recorded()
    door.put(DATA)
    recording.undo()
    assert [list(each.blocks()) for each in places] == [[], []]
