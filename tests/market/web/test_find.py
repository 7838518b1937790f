"""Finding anything by what somebody types, also misspelt."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlmodel import Session

from app.market.queries.catalogue import CatalogueFilter, search
from app.market.queries.find import CLOSE, MOST, corrected, find
from tests.support.web import MarketNode


@pytest.fixture
def session(scene: MarketNode) -> Iterator[Session]:
    """The scene's index, only read."""
    with scene.database.session() as opened:
        yield opened


def urls(session: Session, typed: str) -> list[str]:
    """Where what is found is."""
    return [each.url for each in find(session, typed).items]


def test_numbers_find_what_has_them(session: Session, scene: MarketNode) -> None:
    """A bare number finds everything of that number that there is; with a word only that."""
    assert urls(session, f"job {scene.settled}") == [f"/jobs/{scene.settled}"]
    assert urls(session, f"#{scene.settled}")[-1] == f"/jobs/{scene.settled}"
    assert urls(session, "Licence 1") == ["/licenses/1"]
    assert "/datasets/1" in urls(session, "1")
    assert urls(session, "job 999999") == []


def test_addresses_and_digests_find_their_pages(session: Session, scene: MarketNode) -> None:
    """An account, whatever its letters' case, a provider also as one; a transaction; a document."""
    provider = scene.stage.providers[0].address
    assert urls(session, provider.lower().replace("0X", "0x")) == [f"/providers/{provider}", f"/accounts/{provider}"]
    assert urls(session, "0x" + "ab" * 32) == ["/transactions/0x" + "ab" * 32]
    assert urls(session, "ab" * 32) == ["/v1/documents/" + "ab" * 32]


def test_misspelt_words_find_what_is_meant(session: Session) -> None:
    """A letter too few, too many or swapped in a word of the title finds the dataset, and what was meant is said."""
    entry = search(session, CatalogueFilter()).items[-1]
    word = max(entry.title.split(), key=len).lower()
    assert len(word) >= 4, entry.title
    for typed in (word[:2] + word[3:], word[:3] + "x" + word[3:], word[:1] + word[2] + word[1] + word[3:]):
        found = find(session, typed)
        assert found.meant == word, typed
        assert f"/datasets/{entry.id}" in [each.url for each in found.items]
    assert find(session, word).meant == ""
    assert corrected(session, "qqqqqqq") == ""
    assert 0.5 < CLOSE < 1


def test_pages_are_found_by_what_they_are_called(session: Session) -> None:
    """Also by another name of theirs; an empty search finds nothing, and no search finds more than fits."""
    assert urls(session, "network")[0] == "/network"
    assert "/network" in urls(session, "provdiers")
    assert "/owner" in urls(session, "publish")
    assert urls(session, "  ") == []
    assert len(urls(session, "a b c d 1 jobs wallet network sell catalogue")) <= MOST
