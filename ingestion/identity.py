"""What makes two rows speak of one person: the statement under which a version's tags were made."""

from __future__ import annotations

from typing import Literal

from app.protocol.data.dataset import Codebook
from app.protocol.documents import Document


class Identity(Document):
    """What a version's tags are of: the values of `person`, or the codes of the codebook's columns, in its order."""

    kind: Literal["darkroom/identity"] = "darkroom/identity"
    person: str = ""  # a column
    numbering: str = ""  # that its values are from: equal values of one numbering are one person
    codebook: Codebook | None = None  # where no column names a person

    @property
    def columns(self) -> tuple[str, ...]:
        """What a table must have to be tagged so."""
        return (self.person,) if self.codebook is None else self.codebook.source_names
