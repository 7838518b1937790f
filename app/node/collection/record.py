"""What was done of the collection: each step is written down once it is whole, so that none is done again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from app.files.private import write_private
from app.protocol.documents import Document
from app.protocol.errors import BadDocument


class CollectionRecord(Document):
    """Steps that are whole, of one market: `datasets` are the tables' numbers there, `done` names the others."""

    kind: Literal["darkroom/collection"] = "darkroom/collection"
    market: str
    datasets: Annotated[dict[str, int], Field(default_factory=dict)]
    done: tuple[str, ...] = ()


class Progress:
    """The record in its file."""

    def __init__(self, path: Path, market: str) -> None:
        """Errors: BadDocument for a file that is not one."""
        self._path = path
        try:
            self.record = CollectionRecord.from_bytes(path.read_bytes())
        except FileNotFoundError:
            self.record = CollectionRecord(market=market, datasets={})
        except BadDocument as error:
            raise BadDocument(f"{path} is damaged.", "Move it away: what is published is found again.") from error

    def published(self, table: str, dataset: int) -> None:
        """A table is the market's dataset of this number."""
        self._write(datasets={**self.record.datasets, table: dataset})

    def did(self, step: str) -> None:
        """A step is whole."""
        self._write(done=(*self.record.done, step))

    def _write(self, **changed: object) -> None:
        self.record = self.record.model_copy(update=changed)
        write_private(self._path, self.record.to_bytes())
