"""The questions of a certificate: averages of all numbers in one, a histogram of each column that is named.

Their words follow from the circuit: it reads the codes of some columns, or tells the cells of one apart, and the words
that compile to just this circuit are its words. So a certificate needs no words of its owner's to be read.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.client.ask.cells import AskedCategory, AskedColumn, AskedTable
from app.client.ask.plan import plan
from app.client.ask.query import MAX_ITEMS, parse
from app.client.ask.samples import quoted, written
from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadQuery
from fhe.circuit import codec
from fhe.circuit.circuit import Circuit
from fhe.profile import EncryptionProfile


def certificate_questions(codebook: Codebook, columns: Sequence[str] = ()) -> tuple[str, ...]:
    """Averages of all numbers, and a histogram of each label that has cells and of each named column.

    Errors: BadQuery for a column that there is not, or of which nothing can be told apart.
    """
    table = AskedTable(codebook)
    numbers = [name for name in table if _summed(table[name])][:MAX_ITEMS]
    chosen = list(dict.fromkeys([*_labels(table, codebook), *(table[name].name for name in columns)]))
    for name in chosen:
        _ = table[name].cells
    return (*([averages(numbers)] if numbers else []), *(histogram(name) for name in chosen))


def averages(names: Sequence[str]) -> str:
    """The question of some columns' averages."""
    return written([f"avg({quoted(name)})" for name in names])


def histogram(name: str) -> str:
    """The question of one column's histogram."""
    return written([f"histogram({quoted(name)})"])


def words_of(circuit: Circuit, codebook: Codebook, profile: EncryptionProfile) -> str | None:
    """The words of a certificate's question that mean this very circuit; None where there are none."""
    table, wanted = AskedTable(codebook), codec.encode(circuit)
    read = {wire.column for wire in circuit.inputs}
    candidates = [histogram(next(iter(read)))] if len(read) == 1 else []
    sources = {column.reads for column in codebook.columns if column.name in read}
    if len(sources) == 1 and (source := next(iter(sources))) in table:
        candidates.append(histogram(source))
    candidates.append(averages([each.name for each in codebook.columns if each.name in read]))
    for sql in candidates:
        try:
            meant = plan(parse(sql), codebook, profile).circuit
        except BadQuery:
            continue
        if meant is not None and codec.encode(meant) == wanted:
            return sql
    return None


def _summed(column: AskedColumn | AskedCategory) -> bool:
    return isinstance(column, AskedColumn) and column.affine is not None and column.numbers


def _labels(table: AskedTable, codebook: Codebook) -> list[str]:
    """Columns that models are to predict, of which cells can be told apart."""
    found = []
    for column in codebook.columns:
        name = column.reads if column.label and column.reads in table else column.name
        if not column.label:
            continue
        try:
            found += [name] * bool(table[name].cells)
        except BadQuery:
            continue
    return found
