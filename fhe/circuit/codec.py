"""The canonical bytes of a circuit: one JSON document, integer arrays as base64 words, at most 1 MiB.

`encode` and `decode` are inverse on well-formed circuits, and equal circuits have equal bytes, so a circuit's digest
names it. Both refuse what is not well-formed:

1. Layers alternate Linear, Lookup, Linear, ... and end with a Linear; there is one output name for each of its rows.
2. A Linear's columns are wires that exist before it, increasing in a row; its values are not zero; every input of the
   circuit is read by some Linear; a wire is never read at a width above its own.
3. A Lookup's sources are rows of the Linear before it, its tables have 2^width entries in [-2^out, 2^out).
4. Inputs and output names are distinct; the readout fits the number of outputs.
5. A circuit that sums over rows has blocks of 1 to `MAX_BLOCK` rows and the readout `value`. It is a document of a kind
   of its own, `darkroom/circuit-2`, so that the bytes of other circuits are what they always were.
6. A circuit of digits is a document of a third kind, `darkroom/circuit-3`, which says `"switch": "centred"`. Only there
   tables have 2^u entries with u <= width, a Lookup may be negacyclic (`"op": "negacyclic"`), and a Linear may read a
   wire of width w < width, with weights that are multiples of 2^(width - w). One that sums over rows is of
   a fourth kind, `darkroom/circuit-4`, which has what both have.
7. A circuit that sums may have a mix of its sums: at least one row, every output in some row, no zero weight, distinct
   names. It is left out of the bytes where there is none.

Whether values stay in range and noise stays small depends on the dataset's codes and profile: `fhe.compile.check`.
"""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, ValidationError

from app.protocol.data.dataset import MAX_EDGES, Name
from app.protocol.documents import (
    MAX_DOCUMENT_BYTES,
    Document,
    GrownDocument,
    Sha256,
    first_fault,
    text_to_words,
    words_to_text,
)
from app.protocol.errors import BadDocument
from app.protocol.ids import Digest
from app.protocol.vocabulary import Encoding
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup, Mix, Readout

MAX_CIRCUIT_BYTES = MAX_DOCUMENT_BYTES
MAX_LAYERS = 33  # sixteen lookup stages
MAX_WIDTH = 62  # bits under the padding bit
MAX_LOOKUP_WIDTH = 12  # 4,096 entries a table
MAX_CUTS = 4095  # of a score: 12 bits
MAX_AT = 1 << 52  # JSON numbers are exact up to 2^53
MAX_MIX = 1 << 32  # weight of a sum in what is released
MAX_BLOCK = 1 << 40  # rows: as many as a table has at most

_Small = Annotated[int, Field(ge=0, le=1 << 20)]
_Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]


class _Input(Document):
    column: Name
    encoding: Encoding
    index: Annotated[int, Field(ge=0, lt=MAX_EDGES)]


class _Linear(Document):
    op: Literal["linear"] = "linear"
    width: _Width
    rows: _Small
    indptr: str
    columns: str
    values: str
    bias: str


class _Tables(Document):
    width_out: _Width
    lookups: _Small
    source: str
    tables: str


class _Lookup(_Tables):
    op: Literal["lookup"] = "lookup"


class _Negacyclic(_Tables):
    op: Literal["negacyclic"] = "negacyclic"


_At = Annotated[int, Field(ge=-MAX_AT, le=MAX_AT)]


class _Readout(Document):
    kind: Literal["value", "threshold", "argmax"]
    at: _At


class _Cuts(Document):
    kind: Literal["cuts"]
    cuts: Annotated[tuple[_At, ...], Field(min_length=1, max_length=MAX_CUTS)]


class _Body(Document):
    profile: Sha256
    codebook: Sha256
    inputs: Annotated[tuple[_Input, ...], Field(min_length=1)]
    outputs: Annotated[tuple[Name, ...], Field(min_length=1)]
    readout: Annotated[_Readout | _Cuts, Field(discriminator="kind")]


class _PlainBody(_Body):
    layers: Annotated[
        tuple[Annotated[_Linear | _Lookup, Field(discriminator="op")], ...], Field(min_length=1, max_length=MAX_LAYERS)
    ]


class _Form(_PlainBody):
    kind: Literal["darkroom/circuit"] = "darkroom/circuit"


class _Mix(Document):
    outputs: Annotated[tuple[Name, ...], Field(min_length=1)]
    indptr: str
    columns: str
    weights: str


class _Sums(GrownDocument):
    later: ClassVar[frozenset[str]] = frozenset({"mix"})

    block: Annotated[int, Field(ge=1, le=MAX_BLOCK)]
    mix: _Mix | None = None


class _SummingForm(_PlainBody, _Sums):
    kind: Literal["darkroom/circuit-2"] = "darkroom/circuit-2"


class _DigitsBody(_Body):
    layers: Annotated[
        tuple[Annotated[_Linear | _Lookup | _Negacyclic, Field(discriminator="op")], ...],
        Field(min_length=1, max_length=MAX_LAYERS),
    ]
    switch: Literal["centred"] = "centred"


class _DigitsForm(_DigitsBody):
    kind: Literal["darkroom/circuit-3"] = "darkroom/circuit-3"


class _SummingDigitsForm(_DigitsBody, _Sums):
    kind: Literal["darkroom/circuit-4"] = "darkroom/circuit-4"


_AnyForm = type[_Form] | type[_SummingForm] | type[_DigitsForm] | type[_SummingDigitsForm]


def encode(circuit: Circuit) -> bytes:
    """Canonical bytes of a well-formed circuit. Errors: BadDocument, TooLarge."""
    check_form(circuit)
    body: dict[str, Any] = {}
    try:
        body = {
            "profile": circuit.profile,
            "codebook": circuit.codebook,
            "inputs": tuple(_Input(column=i.column, encoding=i.encoding, index=i.index) for i in circuit.inputs),
            "layers": tuple(_layer_form(layer) for layer in circuit.layers),
            "outputs": circuit.outputs,
            "readout": _readout_form(circuit.readout),
        }
        if circuit.block:
            summing = _SummingDigitsForm if circuit.centred else _SummingForm
            return summing(**body, block=circuit.block, mix=_mix_form(circuit.mix)).to_bytes()
        return (_DigitsForm if circuit.centred else _Form)(**body).to_bytes()
    except ValidationError as error:
        raise BadDocument(f"This circuit has no canonical form: {first_fault(error)}.") from None


def decode(data: bytes) -> Circuit:
    """The circuit of canonical bytes. Errors: TooLarge, BadDocument."""
    form = _form_of(data).from_bytes(data)
    circuit = Circuit(
        form.profile,
        form.codebook,
        tuple(Input(i.column, i.encoding, i.index) for i in form.inputs),
        tuple(_layer(layer) for layer in form.layers),
        form.outputs,
        _readout(form.readout),
        form.block if isinstance(form, _Sums) else 0,
        _mix(form.mix) if isinstance(form, _Sums) and form.mix is not None else None,
        isinstance(form, _DigitsBody),
    )
    check_form(circuit)
    return circuit


def _form_of(data: bytes) -> _AnyForm:
    """The form of some bytes; what is of none is refused by the first. Canonical JSON is in the order of its keys."""
    digits = data.endswith(b',"switch":"centred"}')
    if data.startswith(b'{"block":'):
        return _SummingDigitsForm if digits else _SummingForm
    return _DigitsForm if digits else _Form


def digest(circuit: Circuit) -> Digest:
    """SHA-256 of the canonical bytes, hex: the circuit's name everywhere."""
    return Digest(hashlib.sha256(encode(circuit)).hexdigest())


def check_form(circuit: Circuit) -> None:
    """Refuse a circuit that breaks a rule of the module's docstring. Errors: BadDocument."""
    _require(len(set(circuit.inputs)) == len(circuit.inputs), "names an input twice")
    _require(all(i.index == 0 for i in circuit.inputs if i.encoding == "affine"), "gives an affine input an index")
    _require(len(set(circuit.outputs)) == len(circuit.outputs), "names an output twice")
    _require(len(circuit.layers) % 2 == 1, "does not alternate Linear and Lookup layers and end with a Linear")
    widths = [np.full(len(circuit.inputs), MAX_WIDTH, np.int64)]  # of the wires so far; the profile caps the inputs'
    read = np.zeros(len(circuit.inputs), bool)
    linear: Linear | None = None
    for number, layer in enumerate(circuit.layers):
        if number % 2 == 0:
            _require(isinstance(layer, Linear), f"has no Linear as layer {number}")
            assert isinstance(layer, Linear)
            linear = layer
            wires = np.concatenate(widths)
            _check_linear(layer, wires, f"layer {number}", widens=circuit.centred)
            read[layer.columns[layer.columns < len(read)]] = True
        else:
            _require(isinstance(layer, Lookup), f"has no Lookup as layer {number}")
            assert isinstance(layer, Lookup)
            assert linear is not None
            _check_lookup(layer, linear, f"layer {number}", digits=circuit.centred)
            widths.append(np.full(len(layer.source), layer.width_out, np.int64))
    assert linear is not None
    _require(bool(read.all()), "has an input that no layer reads")
    rows, readout = len(linear.bias), circuit.readout
    _require(len(circuit.outputs) == rows, f"names {len(circuit.outputs)} outputs for {rows} values")
    _require(readout.kind != "threshold" or rows == 1, "has a threshold readout for more than one output")
    _require(readout.kind != "argmax" or rows > 1, "has an argmax readout for one output")
    _require(readout.kind == "threshold" or readout.at == 0, "gives a threshold to a readout that has none")
    _require(readout.kind != "cuts" or rows == 1, "has cut points for more than one output")
    _require((readout.kind == "cuts") == bool(readout.cuts), "has a readout without its cut points, or cuts in another")
    _require(all(low < high for low, high in pairwise(readout.cuts)), "has cut points that do not increase")
    _require(0 <= circuit.block <= MAX_BLOCK, f"sums over {circuit.block} rows")
    _require(not circuit.block or readout.kind == "value", "sums over rows and reads a label of each")
    _require(not circuit.centred or len(circuit.layers) > 1, "has a centred switch and no lookup")
    if circuit.mix is not None:
        _require(bool(circuit.block), "mixes sums that it does not take")
        _check_mix(circuit.mix, rows)


def _check_linear(layer: Linear, wire_widths: I64, where: str, *, widens: bool) -> None:
    for name in ("indptr", "columns", "values", "bias"):
        array = getattr(layer, name)
        _require(array.dtype == np.int64 and array.ndim == 1, f"has {name} in {where} that are not a row of integers")
    rows, nonzeros = len(layer.bias), len(layer.columns)
    _require(rows >= 1, f"has no rows in {where}")
    _require(1 <= layer.width <= MAX_WIDTH, f"has an impossible width in {where}")
    _require(len(layer.indptr) == rows + 1 and len(layer.values) == nonzeros, f"has unequal arrays in {where}")
    inside = layer.indptr.min() >= 0 and layer.indptr.max() <= nonzeros  # first, so that differences cannot wrap
    steps = np.diff(layer.indptr)
    ends = layer.indptr[0] == 0 and layer.indptr[-1] == nonzeros and bool((steps >= 0).all())
    _require(bool(inside and ends), f"has row bounds in {where} that do not cover its values in order")
    _require(bool((layer.values != 0).all()), f"has a zero weight in {where}")
    if nonzeros:
        inside = layer.columns.min() >= 0 and layer.columns.max() < len(wire_widths)
        _require(bool(inside), f"reads a wire in {where} that does not exist yet")
        first = np.zeros(nonzeros, bool)
        first[layer.indptr[:-1][steps > 0]] = True
        rising = np.diff(layer.columns) > 0
        _require(bool((rising | first[1:]).all()), f"has columns in {where} that do not increase in a row")
        lacking = np.maximum(layer.width - wire_widths[layer.columns], 0)
        whole = layer.values % (np.int64(1) << lacking) == 0
        _require(bool((lacking == 0).all() if not widens else whole.all()), f"widens a wire in {where}")


def _check_mix(mix: Mix, sums: int) -> None:
    for name in ("indptr", "columns", "weights"):
        array = getattr(mix, name)
        _require(array.dtype == np.int64 and array.ndim == 1, f"has {name} in its mix that are not a row of integers")
    count = len(mix.columns)
    _require(len(set(mix.outputs)) == len(mix.outputs) >= 1, "releases two mixes of one name, or none")
    _require(len(mix.indptr) == len(mix.outputs) + 1 and len(mix.weights) == count, "has unequal arrays in its mix")
    steps = np.diff(mix.indptr)
    ends = mix.indptr[0] == 0 and mix.indptr[-1] == count and bool((steps >= 1).all()) and len(steps) <= count
    _require(ends, "has row bounds in its mix that do not cover its weights in order")
    inside = bool((mix.columns >= 0).all() and (mix.columns < sums).all())
    _require(inside, "mixes a sum that does not exist")
    _require(len(set(mix.columns.tolist())) == sums, "has a sum that no mix reads")
    first = np.zeros(count, bool)
    first[mix.indptr[:-1]] = True
    rising = bool(((np.diff(mix.columns) > 0) | first[1:]).all())
    _require(rising, "has columns in its mix that do not increase in a row")
    weights = bool((mix.weights != 0).all() and (np.abs(mix.weights) <= MAX_MIX).all())
    _require(weights, "has a weight in its mix that is zero or too large")


def _check_lookup(layer: Lookup, linear: Linear, where: str, *, digits: bool) -> None:
    _require(digits or not layer.negacyclic, f"has a negacyclic table in {where} and no centred switch")
    _require(1 <= layer.width_out <= MAX_WIDTH, f"has an impossible width in {where}")
    _require(layer.source.dtype == np.int64 and layer.source.ndim == 1, f"has sources in {where} that are no integers")
    _require(len(layer.source) >= 1, f"has no lookups in {where}")
    inside = layer.source.min() >= 0 and layer.source.max() < len(linear.bias)
    _require(bool(inside), f"looks up a value in {where} that does not exist")
    tables = layer.tables
    _require(tables.dtype == np.int64 and tables.ndim == 2, f"has tables in {where} of a wrong shape")
    _require(tables.shape[1] >= 1, f"has empty tables in {where}")
    bits = layer.bits() if digits else linear.width
    _require(bits <= min(MAX_LOOKUP_WIDTH, linear.width), f"has a lookup in {where} on {linear.width} bits")
    _require(tables.shape == (len(layer.source), 1 << bits), f"has tables in {where} of a wrong shape")
    bound = 1 << layer.width_out
    fits = layer.tables.min() >= -bound and layer.tables.max() < bound
    _require(bool(fits), f"has a table entry in {where} beyond {layer.width_out} bits")


def _readout_form(readout: Readout) -> _Readout | _Cuts:
    if readout.kind == "cuts":
        return _Cuts(kind="cuts", cuts=readout.cuts)
    return _Readout(kind=readout.kind, at=readout.at)


def _readout(form: _Readout | _Cuts) -> Readout:
    return Readout("cuts", cuts=form.cuts) if isinstance(form, _Cuts) else Readout(form.kind, form.at)


def _mix_form(mix: Mix | None) -> _Mix | None:
    if mix is None:
        return None
    arrays = _text(mix.indptr), _text(mix.columns), _text(mix.weights)
    return _Mix(outputs=mix.outputs, indptr=arrays[0], columns=arrays[1], weights=arrays[2])


def _mix(form: _Mix) -> Mix:
    return Mix(form.outputs, _array(form.indptr), _array(form.columns), _array(form.weights))


def _layer_form(layer: Linear | Lookup) -> _Linear | _Lookup | _Negacyclic:
    if isinstance(layer, Linear):
        return _Linear(
            width=layer.width,
            rows=len(layer.bias),
            indptr=_text(layer.indptr),
            columns=_text(layer.columns),
            values=_text(layer.values),
            bias=_text(layer.bias),
        )
    return (_Negacyclic if layer.negacyclic else _Lookup)(
        width_out=layer.width_out,
        lookups=len(layer.source),
        source=_text(layer.source),
        tables=_text(layer.tables),
    )


def _layer(form: Any) -> Linear | Lookup:
    if isinstance(form, _Linear):
        layer = Linear(form.width, *(_array(getattr(form, n)) for n in ("indptr", "columns", "values", "bias")))
        _require(len(layer.bias) == form.rows, "says a wrong number of rows")
        return layer
    source, tables = _array(form.source), _array(form.tables)
    _require(len(source) == form.lookups and form.lookups > 0, "says a wrong number of lookups")
    _require(len(tables) % form.lookups == 0, "has tables of unequal length")
    return Lookup(form.width_out, source, tables.reshape(form.lookups, -1), isinstance(form, _Negacyclic))


def _text(array: I64) -> str:
    return words_to_text(np.ascontiguousarray(array, "<i8").tobytes())


def _array(text: str) -> I64:
    return np.frombuffer(text_to_words(text), "<i8").astype(np.int64)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise BadDocument(f"This circuit {what}.", "Compile the model again: darkroom model compile.")
