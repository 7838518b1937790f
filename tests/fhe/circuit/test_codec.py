"""Circuits have one byte string each, and nothing malformed is read or written."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol.documents import canonical
from app.protocol.errors import BadDocument, TooLarge, VerificationFailed
from app.protocol.ids import Digest
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup, Mix, Readout
from fhe.circuit.codec import decode, digest, encode


def ints(*values: int) -> Any:
    """A row of int64."""
    return np.array(values, np.int64)


def deep() -> Circuit:
    """Two inputs, two sums, three lookups, one score."""
    return Circuit(
        Digest("1" * 64),
        Digest("2" * 64),
        (Input("age", "affine"), Input("dose", "bins", 3)),
        (
            Linear(3, ints(0, 2, 3), ints(0, 1, 1), ints(1, 2, -5), ints(0, 1)),
            Lookup(8, ints(1, 0, 1), np.arange(24, dtype=np.int64).reshape(3, 8)),
            Linear(8, ints(0, 3), ints(2, 3, 4), ints(1, 1, 1), ints(-7)),
        ),
        ("score",),
        Readout("threshold", 4),
    )


def same(a: Circuit, b: Circuit) -> bool:
    """Equal in every field and word."""
    for name in ("profile", "codebook", "inputs", "outputs", "readout", "block", "centred", "lwe_bins", "shared"):
        if getattr(a, name) != getattr(b, name):
            return False
    return all(
        type(x) is type(y) and all(np.array_equal(getattr(x, name), getattr(y, name)) for name in vars(x))
        for x, y in zip(a.layers, b.layers, strict=True)
    )


def test_a_circuit_survives_its_bytes() -> None:
    """Decoding gives every field back, and encoding again gives the same bytes."""
    data = encode(deep())
    assert same(decode(data), deep())
    assert encode(decode(data)) == data


def in_digits() -> Circuit:
    """The same inputs; the padding bit of three bits, and a weight on a wire that is narrower than its reader."""
    first, _, last = deep().layers
    layers = (
        first,
        Lookup(1, ints(0), ints(*[-1] * 8)[None], negacyclic=True),
        Linear(4, ints(0, 2), ints(0, 2), ints(2, -8), ints(0)),
        Lookup(8, ints(0), np.arange(8)[None]),
        replace(last, indptr=ints(0, 1), columns=ints(3), values=ints(1)),
    )
    return replace(deep(), layers=layers, centred=True)


def test_a_circuit_of_digits_is_a_document_of_its_own_kind() -> None:
    """It survives its bytes, says its switch, has a frozen digest, and is no circuit of another kind."""
    data = encode(in_digits())
    assert same(decode(data), in_digits())
    assert encode(decode(data)) == data
    form = json.loads(data)
    assert (form["kind"], form["switch"], form["layers"][1]["op"]) == ("darkroom/circuit-3", "centred", "negacyclic")
    assert digest(in_digits()) == FROZEN_DIGITS
    for change in ({"kind": "darkroom/circuit"}, {"switch": "plain"}, {"block": 4}):
        with pytest.raises(BadDocument):
            decode(canonical(form | change))
    with pytest.raises(BadDocument):
        encode(replace(in_digits(), centred=False))


def test_a_sum_of_digits_has_a_kind_of_its_own() -> None:
    """With both fields and a mix; neither of the two kinds takes the other's."""
    both = replace(in_digits(), block=4, readout=Readout("value"))
    data = encode(both)
    assert same(decode(data), both)
    assert digest(both) == FROZEN_SUM_OF_DIGITS
    mixed = replace(both, mix=Mix.of({"y": {0: 1}, "z": {0: -2}}))
    assert encode(decode(encode(mixed))) == encode(mixed) != data
    form = json.loads(data)
    assert (form["kind"], form["switch"], form["block"]) == ("darkroom/circuit-4", "centred", 4)
    for change in ({"kind": "darkroom/circuit-2"}, {"kind": "darkroom/circuit-3"}, {"block": 0}):
        with pytest.raises(BadDocument):
            decode(canonical(form | change))
    with pytest.raises(BadDocument):
        decode(canonical({name: value for name, value in form.items() if name != "switch"}))


FROZEN_SUM_OF_DIGITS = "0870c07031bd8f7bc4fd42cf628a77b244034b0e492ce9e906f91b430f3c007b"
FROZEN_DIGITS = "7484daf2ee12c102434258a7daebcea64ee2260136104efa254c0e416e3c6bc5"


def small_key() -> Circuit:
    """Two bins under the small key, in one table of sixteen entries."""
    layers = (
        Linear(4, ints(0, 2), ints(0, 1), ints(1, 2), ints(0)),
        Lookup(8, ints(0), np.arange(16)[None]),
        Linear(8, ints(0, 1), ints(2), ints(1), ints(-7)),
    )
    inputs = Input("age", "bins", 1), Input("dose", "bins", 3)
    return replace(deep(), inputs=inputs, layers=layers, centred=True, lwe_bins=True)


def test_a_circuit_of_small_key_bins_is_a_document_of_its_own_kind() -> None:
    """It survives its bytes, says which bins it reads, has a frozen digest, and is no circuit of another kind."""
    data = encode(small_key())
    assert same(decode(data), small_key())
    assert encode(decode(data)) == data
    form = json.loads(data)
    assert (form["kind"], form["bins"], form["switch"]) == ("darkroom/circuit-5", "lwe", "centred")
    assert {wire["encoding"] for wire in form["inputs"]} == {"bins"}
    assert digest(small_key()) == FROZEN_SMALL_KEY
    for change in ({"kind": "darkroom/circuit-3"}, {"switch": "plain"}, {"bins": "packed"}, {"block": 0}):
        with pytest.raises(BadDocument):
            decode(canonical(form | change))
    with pytest.raises(BadDocument):
        decode(canonical({key: value for key, value in form.items() if key != "bins"}))


def test_a_sum_over_small_key_bins_says_its_block() -> None:
    """With a mix or without; a label of each row is not read where rows are summed, and no mix goes without sums."""
    plain = replace(small_key(), readout=Readout("value"))
    summed = replace(plain, block=4)
    data = encode(summed)
    assert same(decode(data), summed)
    form = json.loads(data)
    assert (form["kind"], form["block"]) == ("darkroom/circuit-5", 4)
    assert "mix" not in form
    assert digest(summed) == FROZEN_SUM_OF_SMALL_KEY
    mixed = replace(summed, mix=Mix.of({"y": {0: 1}, "z": {0: -2}}))
    assert same(decode(encode(mixed)), mixed)
    for wrong in (replace(mixed, block=0), replace(summed, readout=Readout("threshold", 1))):
        with pytest.raises(BadDocument):
            encode(wrong)


FROZEN_SMALL_KEY = "9969490d2d5b6f8e274972005501a2657bc373f69ffaa8ba00e3b97e3c7adc1a"
FROZEN_SUM_OF_SMALL_KEY = "84d25272323f3654d41655332fc514b6e402abfdb5c34e679037e2e6c75fce52"


def shared() -> Circuit:
    """The circuit of digits, whose tables of one value share a rotation."""
    return replace(in_digits(), shared=True)


def test_a_circuit_that_shares_rotations_is_a_document_of_its_own_kind() -> None:
    """It survives its bytes, says so, has a frozen digest, and is no circuit of another kind; tables stay small."""
    data = encode(shared())
    assert same(decode(data), shared())
    assert decode(data).shared
    assert encode(decode(data)) == data
    form = json.loads(data)
    assert (form["kind"], form["rotations"], form["switch"]) == ("darkroom/circuit-6", "shared", "centred")
    assert digest(shared()) == FROZEN_SHARED
    changes: list[dict[str, Any]] = [{"kind": "darkroom/circuit-3"}, {"switch": "plain"}, {"rotations": "own"}]
    for change in [*changes, {"block": 4}, {"bins": "lwe"}]:
        with pytest.raises(BadDocument):
            decode(canonical(form | change))
    with pytest.raises(BadDocument):
        decode(canonical({key: value for key, value in form.items() if key != "rotations"}))
    first, table, *rest = shared().layers
    assert isinstance(first, Linear)
    assert isinstance(table, Lookup)
    wide = replace(table, tables=np.zeros((len(table.source), 128), np.int64), negacyclic=False)
    for changed in (replace(table, width_out=61), wide):
        with pytest.raises(BadDocument, match="too large"):
            encode(replace(shared(), layers=(replace(first, width=7), changed, *rest)))


FROZEN_SHARED = "7442a09c17562458788f4e89c462cf6b8d548ff4215752b70bf11ddf60123ffc"


def test_the_digest_is_frozen() -> None:
    """The digest of a written circuit never changes: chains and receipts hold it."""
    assert digest(deep()) == FROZEN


FROZEN = "d09ac45aa49b1ca1822cc96b3eecd27a9967d103a2ee0916c2a069fa66e07fd7"


@given(data=st.data(), outputs=st.integers(1, 4), columns=st.integers(1, 6))
def test_any_linear_circuit_survives_its_bytes(data: st.DataObject, outputs: int, columns: int) -> None:
    """Whatever the weights, bias and names, decoding inverts encoding."""
    weights = st.integers(-(2**63), 2**63 - 1).filter(bool)
    rows = [data.draw(st.dictionaries(st.integers(0, columns - 1), weights, max_size=columns)) for _ in range(outputs)]
    rows[0] = dict.fromkeys(range(columns), 1)  # so that every input is read
    indptr = np.cumsum([0, *(len(row) for row in rows)])
    pairs = [pair for row in rows for pair in sorted(row.items())]
    bias = data.draw(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=outputs, max_size=outputs))
    names = data.draw(
        st.lists(st.text("aäß 1", min_size=1, max_size=9), min_size=columns, max_size=columns, unique=True)
    )
    circuit = Circuit(
        Digest("a" * 64),
        Digest("b" * 64),
        tuple(Input(name, "affine") for name in names),
        (Linear(27, indptr.astype(np.int64), ints(*(c for c, _ in pairs)), ints(*(v for _, v in pairs)), ints(*bias)),),
        tuple(f"o{i}" for i in range(outputs)),
        Readout("value"),
    )
    assert same(decode(encode(circuit)), circuit)


def changed(layer: int, circuit: Circuit | None = None, **fields: Any) -> Circuit:
    """A circuit, by default the deep one, with one layer's fields replaced."""
    circuit = circuit or deep()
    layers = list(circuit.layers)
    layers[layer] = replace(layers[layer], **fields)
    return replace(circuit, layers=tuple(layers))


MALFORMED: dict[str, Callable[[], Circuit]] = {
    "no layers": lambda: replace(deep(), layers=()),
    "ends with a lookup": lambda: replace(deep(), layers=deep().layers[:2]),
    "two linears in a row": lambda: replace(deep(), layers=(deep().layers[0], deep().layers[0], deep().layers[2])),
    "input twice": lambda: replace(deep(), inputs=(Input("age", "affine"), Input("age", "affine"))),
    "unread input": lambda: changed(0, indptr=ints(0, 1, 2), columns=ints(0, 0), values=ints(1, 2)),
    "affine index": lambda: replace(deep(), inputs=(Input("age", "affine", 1), Input("dose", "bins", 3))),
    "edge beyond": lambda: replace(deep(), inputs=(Input("age", "affine"), Input("dose", "bins", 32))),
    "negative edge": lambda: replace(deep(), inputs=(Input("age", "affine"), Input("dose", "bins", -1))),
    "empty name": lambda: replace(deep(), inputs=(Input("", "affine"), Input("dose", "bins", 3))),
    "output twice": lambda: replace(deep(), outputs=("score", "score")),
    "output missing": lambda: replace(deep(), outputs=()),
    "threshold value missing": lambda: replace(deep(), readout=Readout("value", 4)),
    "argmax of one": lambda: replace(deep(), readout=Readout("argmax")),
    "profile no digest": lambda: replace(deep(), profile=Digest("1" * 63)),
    "zero weight": lambda: changed(0, values=ints(1, 0, -5)),
    "columns falling": lambda: changed(0, columns=ints(1, 0, 1)),
    "columns equal": lambda: changed(0, columns=ints(1, 1, 1)),
    "wire in the future": lambda: changed(0, columns=ints(0, 2, 1)),
    "negative wire": lambda: changed(0, columns=ints(-1, 1, 1)),
    "row bounds fall": lambda: changed(0, indptr=ints(0, 3, 2)),
    "row bounds wrap": lambda: changed(0, indptr=ints(0, 2**63 - 1, 3)),
    "row bounds start late": lambda: changed(0, indptr=ints(1, 2, 3)),
    "too few row bounds": lambda: changed(0, indptr=ints(0, 3)),
    "too few values": lambda: changed(0, values=ints(1, 2)),
    "width zero": lambda: changed(0, width=0),
    "width beyond a word": lambda: changed(2, width=63),
    "wire read wider than it is": lambda: changed(2, width=9),
    "lookup input too wide": lambda: changed(0, width=13),
    "source beyond": lambda: changed(1, source=ints(1, 0, 2)),
    "negative source": lambda: changed(1, source=ints(1, -1, 1)),
    "table too short": lambda: changed(1, tables=np.zeros((3, 7), np.int64)),
    "table entry too large": lambda: changed(1, tables=np.full((3, 8), 256, np.int64)),
    "no lookups": lambda: changed(1, source=ints(), tables=np.zeros((0, 8), np.int64)),
    "floats": lambda: changed(0, values=np.array([1.0, 2.0, -5.0])),
    "negacyclic without a centred switch": lambda: changed(1, negacyclic=True),
    "narrow tables without a centred switch": lambda: changed(1, tables=np.zeros((3, 4), np.int64)),
    "a centred switch and no lookup": lambda: replace(
        deep(), layers=deep().layers[:1], outputs=("a", "b"), centred=True
    ),
    "digits of a narrow wire between its steps": lambda: replace(
        in_digits(),
        layers=(*in_digits().layers[:2], replace(in_digits().layers[2], values=ints(2, -4)), *in_digits().layers[3:]),
    ),
    "a table of no power of two": lambda: replace(changed(1, tables=np.zeros((3, 6), np.int64)), centred=True),
    "an empty table": lambda: replace(changed(1, tables=np.zeros((3, 0), np.int64)), centred=True),
    "small-key bins without a centred switch": lambda: replace(small_key(), centred=False),
    "affine codes under the small key": lambda: replace(
        small_key(), inputs=(Input("age", "affine"), Input("dose", "bins", 3))
    ),
    "a small-key bin without a lookup": lambda: replace(
        small_key(),
        layers=(*small_key().layers[:2], replace(small_key().layers[2], columns=ints(1))),
    ),
    "a small-key bin read finer than it is": lambda: changed(0, small_key(), width=5),
    "more bits than the value has": lambda: replace(changed(1, tables=np.zeros((3, 16), np.int64)), centred=True),
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_a_malformed_circuit_is_not_written(fault: str) -> None:
    """Each fault of form is refused with its own sentence."""
    with pytest.raises(BadDocument):
        encode(MALFORMED[fault]())


def edited(change: Callable[[Any], None]) -> bytes:
    """The circuit's JSON with one change, in canonical form again."""
    form = json.loads(encode(deep()))
    change(form)
    return canonical(form)


EDITS: dict[str, Callable[[Any], None]] = {
    "unknown field": lambda form: form.update(extra=1),
    "missing field": lambda form: form.pop("readout"),
    "other kind": lambda form: form.update(kind="darkroom/codebook"),
    "text for a number": lambda form: form["layers"][0].update(width="3"),
    "float for a number": lambda form: form["layers"][0].update(width=3.5),
    "true for a number": lambda form: form["layers"][0].update(width=True),
    "threshold beyond 2^52": lambda form: form["readout"].update(at=2**52 + 1),
    "rows disagree": lambda form: form["layers"][0].update(rows=1),
    "lookups disagree": lambda form: form["layers"][1].update(lookups=2),
    "no lookups": lambda form: form["layers"][1].update(lookups=0),
    "half a word": lambda form: form["layers"][0].update(bias=base64.b64encode(bytes(12)).decode()),
    "not base64": lambda form: form["layers"][0].update(bias="?" * 12),
    "unknown operation": lambda form: form["layers"][0].update(op="exec"),
    "no inputs": lambda form: form.update(inputs=[]),
    "too many layers": lambda form: form.update(layers=form["layers"] * 20),
    "zero weight": lambda form: form["layers"][0].update(values=base64.b64encode(bytes(24)).decode()),
}


@pytest.mark.parametrize("fault", EDITS)
def test_an_edited_document_is_not_read(fault: str) -> None:
    """Canonical JSON that is not exactly a circuit is refused."""
    with pytest.raises(VerificationFailed):
        decode(edited(EDITS[fault]))


def test_bytes_that_are_not_canonical_are_not_read() -> None:
    """Spaces, another key order, truncation, and every single flipped bit are refused or are another circuit."""
    data = encode(deep())
    for wrong in (data[:-1], data + b" ", b"", json.dumps(json.loads(data)).encode()):
        with pytest.raises(BadDocument):
            decode(wrong)
    name = digest(deep())
    for place in range(len(data)):
        flipped = bytearray(data)
        flipped[place] ^= 1 << (place % 8)
        try:
            other = decode(bytes(flipped))
        except BadDocument:
            continue
        assert digest(other) != name


def test_a_circuit_beyond_a_block_is_refused() -> None:
    """A circuit of more than 1 MiB is neither written nor read."""
    rows = 40_000
    large = Circuit(
        Digest("1" * 64),
        Digest("2" * 64),
        (Input("age", "affine"),),
        (Linear(27, np.arange(rows + 1), np.zeros(rows, np.int64), np.ones(rows, np.int64), np.zeros(rows, np.int64)),),
        tuple(f"o{i}" for i in range(rows)),
        Readout("value"),
    )
    with pytest.raises(TooLarge):
        encode(large)
    with pytest.raises(TooLarge):
        decode(b" " * ((1 << 20) + 1))
