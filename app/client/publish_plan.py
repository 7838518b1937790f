"""What publishing a table would publish and sell, and what was published."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.client.licenses import licenses
from app.protocol.policy.bits import describe_bits

if TYPE_CHECKING:
    from app.chain.market import Sent
    from app.client.persons import Survey
    from app.protocol.market.entities import DatasetRecord
    from ingestion.publish import PreparedTable, Surveyed
    from ingestion.recipe import Recipe
    from ingestion.row_keys import KeyColumn


@dataclass(frozen=True)
class PublishedDataset:
    """A dataset on chain and what lies behind it."""

    sent: Sent[int]
    prepared: PreparedTable


@dataclass(frozen=True)
class PublishPlan:
    """What publishing a table would publish and sell, known before any key, ciphertext or transaction is made."""

    path: Path
    recipe: Recipe
    dataset: DatasetRecord | None  # whose next version it would be
    surveyed: Surveyed
    persons: Survey
    limit: int  # micro-bits about each person, over all buyers for ever
    stamp: tuple[int, ...]  # of the file, to see that it is the same later
    append: bool = False  # whether the file's rows come after those of the present version
    row_keys: KeyColumn | None = None  # what names its rows to buyers, if a policy sells it

    @property
    def warnings(self) -> tuple[str, ...]:
        """What publishing reveals beyond what was declared, one sentence each."""
        return self.surveyed.built.warnings

    @property
    def sells(self) -> list[str]:
        """What is sold of a person under the recipe's policy and offer, one sentence each."""
        from ingestion.card import policy_in_words

        recipe, rules = self.recipe, self.recipe.table
        if rules.person:
            known = f"A person is known by the column {rules.person!r}, and has at most {rules.rows_per_person} rows."
        else:
            known = (
                "No column names a person: a row is known again by its codes alone, so each row is sold as a person."
            )
        left = max(0, self.limit - self.persons.most)
        sold = licenses(recipe.policy, self.limit - self.persons.elsewhere, recipe.offer)
        return [
            *policy_in_words(recipe.policy, self.surveyed.built.codebook),
            known,
            *self._keys_in_words(),
            *self.persons.words,
            f"{describe_bits(left)} bits about each person are left to sell on every row.",
            f"An offer sells at most {sold:,} licenses at once, and reserves the bits of each.",
        ]

    def _keys_in_words(self) -> list[str]:
        """What is sold of the row keys."""
        keys, sold = self.row_keys, self.recipe.policy.row_keys
        if keys is None:
            return []
        if not sold:
            return [f"The row keys, the column {keys.name!r}, are kept here; this policy does not sell them."]
        what = self.surveyed.measured.column(keys.name)
        held = f", which seems to hold {what.identifies}" if what.identifies else ""
        joins = "It is not counted in bits, and joins the row with all that the buyer knows by that key."
        return [f"Beside each result its buyer reads the row's value in the column {keys.name!r}{held}. {joins}"]
