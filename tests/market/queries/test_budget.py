"""Limits that the index works out of the columns it keeps: those of the codebook itself."""

from __future__ import annotations

import json

import pytest

from app.market.indexer.documents import facts
from app.market.queries.budget import codebook_of, recoverable
from app.market.queries.dataset import ColumnView
from app.protocol.data.dataset import Codebook
from app.protocol.policy.bits import default_person_limit, row_micro_bits, source_micro_bits
from tests.support.derived_columns import BOOK, PLAIN
from tests.support.documents import manifest


def codes(book: Codebook) -> str:
    """What the index keeps of a codebook."""
    made = manifest("A table")
    return facts("0" * 64, made.model_copy(update={"table": made.table.model_copy(update={"codebook": book})})).codes


@pytest.mark.parametrize("book", [BOOK, PLAIN])
def test_the_page_counts_sources_as_the_custodian_does(book: Codebook) -> None:
    """Bits of a row, the default of a person and the number of columns, derived ones or not."""
    kept = codebook_of(codes(book))
    assert kept is not None
    assert kept.source_names == book.source_names
    assert source_micro_bits(kept) == source_micro_bits(book)
    assert default_person_limit(kept) == default_person_limit(book)
    assert recoverable(book, row_micro_bits(book)) == len(PLAIN.columns)


def test_a_column_is_shown_with_what_it_is_derived_of() -> None:
    """In words, with its source; an index of before has columns without any of that."""
    views = {each["name"]: ColumnView(**each) for each in json.loads(codes(BOOK))}
    assert (views["a"].source, views["a"].derivation, views["a"].rule) == ("a", None, "")
    assert (views["sex=0"].source, views["sex=0"].rule) == ("sex", "1 where sex is f")
    assert views["sex=3"].rule == "1 where sex is none of its 3 categories"
    assert views["when:month"].rule == "month of when"
    assert views["n:missing"].rule == "1 where n has no value"
    later = {"source", "derivation", "rule", "places", "label"}
    old = [{key: value for key, value in each.items() if key not in later} for each in json.loads(codes(PLAIN))]
    assert ColumnView(**old[0]).source == ""
    assert codebook_of(json.dumps(old[:2])) is not None
