"""Programs: as docs/trace.md, section 7, writes them, by a reader that has nothing but the page."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.protocol.data import merkle
from app.protocol.data.dataset import Affine, Codebook, ColumnCode, EncodedFile, EncryptedTable, Shard
from app.protocol.documents import sha256
from app.protocol.errors import DarkroomError
from app.protocol.vocabulary import FileEncoding
from fhe.circuit.circuit import Circuit, Input, Linear, Readout
from fhe.engine.trace.judged import MOST_SUMMED
from fhe.engine.trace.program import JobProgram, program_of
from fhe.profiles import insecure_test_profile

KNOWN = Path(__file__).parents[3] / "vectors" / "trace" / "programs.json"
PROFILE = insecure_test_profile()
SIZE, WIDTH = PROFILE.polynomial_size, 20
FILES: tuple[tuple[str, FileEncoding, int], ...] = (("a", "affine", 1), ("a", "bins", 3), ("b", "affine", 1))


def table() -> EncryptedTable:
    """Two shards of two columns, one of them with codes and bits."""
    affine = Affine(low=0.0, step=1.0, levels=256)
    codebook = Codebook(
        columns=(
            ColumnCode(name="a", dtype="float64", affine=affine, bins=(1.0, 2.0, 3.0), declared=True),
            ColumnCode(name="b", dtype="float64", affine=affine, declared=True),
        )
    )
    shards = []
    for number, (first, rows) in enumerate(((0, 300), (300, 100))):
        chunks = -(-rows // SIZE)
        files = [
            EncodedFile(
                column=column,
                encoding=encoding,
                cid="",
                polys=count * chunks,
                seed="00" * 16,
                root=sha256(f"{number} {column} {encoding}".encode()),
            )
            for column, encoding, count in FILES
        ]
        shards.append(Shard(first_row=first, rows=rows, files=tuple(files)))
    return EncryptedTable(
        profile=PROFILE.digest, codebook=codebook, epoch=1, rows=400, shards=tuple(shards), evaluation_key=None,
        data_root=merkle.data_root(file.root for shard in shards for file in shard.files),
        evaluator="darkroom-canonical-2",
    )  # fmt: skip


def circuit(block: int = 0, codebook: str | None = None) -> Circuit:
    """Two outputs: 3 a - b + 5, and 7 (a >= 3) - 1."""
    layer = Linear(
        WIDTH, np.array([0, 2, 3]), np.array([0, 2, 1]), np.array([3, -1, 7]), np.array([5, -1])
    )  # fmt: skip
    inputs = Input("a", "affine"), Input("a", "bins", 2), Input("b", "affine")
    digest = codebook or table().codebook.digest
    return Circuit(PROFILE.digest, digest, inputs, (layer,), ("x", "y"), Readout("value"), block=block)  # type: ignore[arg-type]


def program(block: int = 0) -> JobProgram:
    """Of these two."""
    found = program_of(circuit(block), PROFILE, table())
    assert found is not None
    return found


def written(block: int) -> tuple[list[int], list[int]]:
    """Header numbers and words, from the page and from what stands above."""
    w, v, mask = WIDTH, PROFILE.message_width, (1 << 64) - 1

    def full(words: list[int]) -> list[int]:
        return words + [0] * (-len(words) % 16)

    outputs = full([(5 << 63 - w) & mask, 0, 2, 0, (-1 << 63 - w) & mask, 2, 1, 0])
    terms = full([0, 3 << v - w, 2, (-1 << v - w) & mask, 1, 7 << v - w])
    wires = []
    for number, rows in enumerate((300, 100)):
        size, file = -(-rows // SIZE) * SIZE, 3 * number
        wires += [file, 0, 8 * size, 0, file + 1, 2 * size, 24 * size, 0, file + 2, 0, 8 * size, 0]
    words = outputs + terms + full(wires) + full([0, 300, 300, 100])
    header = [1 if block else 0, 2, SIZE, w, 2, 3, 3, 2, 6, min(block, 400) or 1, len(words)]
    return header, words


@pytest.mark.parametrize("block", [0, 7, 1000])
def test_a_program_is_what_the_page_says(block: int) -> None:
    """Header, words, root and digest."""
    found, (header, words) = program(block), written(block)
    assert found.words.tolist() == words
    root = merkle.root(b"".join(word.to_bytes(8, "little") for word in words))
    assert found.header == (*header, root, "00" * 32)
    fields = [number.to_bytes(32, "big") for number in header] + [bytes.fromhex(root), bytes(32)]
    assert found.digest == hashlib.sha256(b"".join(fields)).hexdigest()


def vectors() -> dict[str, Any]:
    """What the committed file has."""
    return {
        f"block {block}": {"header": list(program(block).header), "digest": program(block).digest} for block in (0, 7)
    }


def test_known_programs() -> None:
    """The committed answers: `python -m tests.fhe.engine.trace.test_program` writes them."""
    assert json.loads(KNOWN.read_text("utf-8")) == vectors()


def test_leaves_stand_under_the_root() -> None:
    """Each record's leaf, by its place."""
    found = program()
    root, length = str(found.header[-2]), 8 * len(found.words)
    for place in (found.output_at(1), found.term_at(2), found.input_at(1, 2), found.shard_at(1)):
        leaf = found.leaf(place)
        assert merkle.verify(root, leaf.data, place // 16, length, leaf.path)
    assert [found.shard_of(row) for row in (0, 299, 300, 399)] == [0, 0, 1, 1]
    with pytest.raises(ValueError, match="no shard"):
        found.shard_of(400)


def test_what_has_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks and outputs that are too large; a circuit that does not run on the table raises."""
    monkeypatch.setattr("fhe.engine.trace.judged.MOST_SUMMED", 399)
    assert program_of(circuit(block=1000), PROFILE, table()) is None
    monkeypatch.setattr("fhe.engine.trace.judged.MOST_SUMMED", MOST_SUMMED)
    monkeypatch.setattr("fhe.engine.trace.judged.MOST_TERMS", 1)
    assert program_of(circuit(), PROFILE, table()) is None
    with pytest.raises(DarkroomError):
        program_of(circuit(codebook="1" * 64), PROFILE, table())


if __name__ == "__main__":
    KNOWN.write_text(json.dumps(vectors(), indent=1) + "\n", "utf-8")
