"""The models that a node offers: the file in its home, and what becomes of a wrong one."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from app.home.home import Home
from app.market.web.featured_models import OfferedModel
from app.node.featured_models import FILE, MAX_FILE_BYTES, offer, read, shelf_of
from app.protocol.errors import BadInput
from app.protocol.ids import Digest

LINEAR = OfferedModel(dataset=1, circuit=Digest("ab" * 32), name="Linear", about="Scores rows.")
TREES = OfferedModel(dataset=2, circuit=Digest("cd" * 32), name="Trees")


def test_models_are_offered_for_their_dataset(tmp_path: Path) -> None:
    """A home without the file offers nothing; what is added stands beside the rest, and a new name replaces an old."""
    home = Home(tmp_path)
    shelf = shelf_of(home)
    assert shelf(1) == ()
    offer(home, (LINEAR,))
    offer(home, (TREES,))
    assert (shelf(1), shelf(2), shelf(3)) == ((LINEAR,), (TREES,), ())
    renamed = LINEAR.model_copy(update={"name": "Logistic"})
    offer(home, (renamed,))
    assert read(home) == (renamed, TREES)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "the file"),
        ('{"models": [{"dataset": 1, "circuit": "x", "name": "y"}]}', "models.0.circuit"),
        ('{"models": [{"dataset": "1", "circuit": "%s", "name": "y"}]}' % ("ab" * 32), "models.0.dataset"),
        ('{"modles": []}', "modles"),
        (" " * (MAX_FILE_BYTES + 1), "is over"),
    ],
)
def test_a_wrong_file_offers_nothing_and_says_why_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, told: str
) -> None:
    """Pages go on without models; the log names the place; a program that adds to the file is refused."""
    (tmp_path / FILE).write_text(text, "utf-8")
    shelf = shelf_of(Home(tmp_path))
    with caplog.at_level(logging.WARNING):
        assert shelf(1) == shelf(1) == ()
    (record,) = [each for each in caplog.records if each.name == "darkroom.node"]
    assert told in record.__dict__["detail"]
    with pytest.raises(BadInput, match=r"models\.json"):
        offer(Home(tmp_path), (LINEAR,))
