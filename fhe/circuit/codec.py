"""The canonical bytes of a circuit: one JSON document, integer arrays as base64 words, at most 1 MiB.

`encode` and `decode` are inverse on well-formed circuits, and equal circuits have equal bytes, so a circuit's digest
names it. Both refuse what is not well-formed, by the rules of `fhe.circuit.well_formed`.

Whether values stay in range and noise stays small depends on the dataset's codes and profile: `fhe.compile.check`.
"""

from __future__ import annotations

import hashlib
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
from fhe.circuit.circuit import Circuit, Input, Layer, Linear, Lookup, Mix, Readout, Selection
from fhe.circuit.well_formed import MAX_BLOCK, MAX_WIDTH, check_form, require

MAX_CIRCUIT_BYTES = MAX_DOCUMENT_BYTES
MAX_LAYERS = 33  # sixteen lookup stages
MAX_CUTS = 4095  # of a score: 12 bits
MAX_AT = 1 << 52  # JSON numbers are exact up to 2^53

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


class _Selection(Document):
    op: Literal["selection", "negacyclic selection"] = "selection"
    width_out: _Width
    lookups: _Small
    source: str
    entries: str


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


class _LweForm(_DigitsBody, _Sums):
    later: ClassVar[frozenset[str]] = frozenset({"block", "mix"})

    kind: Literal["darkroom/circuit-5"] = "darkroom/circuit-5"
    bins: Literal["lwe"] = "lwe"
    block: Annotated[int, Field(ge=0, le=MAX_BLOCK)] = 0


class _SharedForm(_Body):
    kind: Literal["darkroom/circuit-6"] = "darkroom/circuit-6"
    layers: Annotated[
        tuple[Annotated[_Linear | _Lookup | _Negacyclic | _Selection, Field(discriminator="op")], ...],
        Field(min_length=1, max_length=MAX_LAYERS),
    ]
    switch: Literal["centred"] = "centred"
    rotations: Literal["shared"] = "shared"


_AnyForm = (
    type[_Form] | type[_SummingForm] | type[_DigitsForm] | type[_SummingDigitsForm] | type[_LweForm] | type[_SharedForm]
)


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
        if circuit.lwe_bins:
            return _LweForm(**body, block=circuit.block, mix=_mix_form(circuit.mix)).to_bytes()
        if circuit.shared:
            return _SharedForm(**body).to_bytes()
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
        isinstance(form, _DigitsBody | _SharedForm),
        isinstance(form, _LweForm),
        isinstance(form, _SharedForm),
    )
    check_form(circuit)
    return circuit


def _form_of(data: bytes) -> _AnyForm:
    """The form of some bytes; what is of none is refused by the first. Canonical JSON is in the order of its keys."""
    digits = data.endswith(b',"switch":"centred"}')
    if data.startswith(b'{"block":'):
        return _SummingDigitsForm if digits else _SummingForm
    if data.startswith(b'{"bins":'):
        return _LweForm
    if data.endswith(b',"rotations":"shared","switch":"centred"}'):
        return _SharedForm
    return _DigitsForm if digits else _Form


def digest(circuit: Circuit) -> Digest:
    """SHA-256 of the canonical bytes, hex: the circuit's name everywhere."""
    return Digest(hashlib.sha256(encode(circuit)).hexdigest())


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


def _layer_form(layer: Layer) -> _Linear | _Lookup | _Negacyclic | _Selection:
    if isinstance(layer, Linear):
        return _Linear(
            width=layer.width,
            rows=len(layer.bias),
            indptr=_text(layer.indptr),
            columns=_text(layer.columns),
            values=_text(layer.values),
            bias=_text(layer.bias),
        )
    if isinstance(layer, Selection):
        return _Selection(
            op="negacyclic selection" if layer.negacyclic else "selection",
            width_out=layer.width_out,
            lookups=len(layer.source),
            source=_text(layer.source),
            entries=_text(layer.entries),
        )
    return (_Negacyclic if layer.negacyclic else _Lookup)(
        width_out=layer.width_out,
        lookups=len(layer.source),
        source=_text(layer.source),
        tables=_text(layer.tables),
    )


def _layer(form: Any) -> Layer:
    if isinstance(form, _Linear):
        layer = Linear(form.width, *(_array(getattr(form, n)) for n in ("indptr", "columns", "values", "bias")))
        require(len(layer.bias) == form.rows, "says a wrong number of rows")
        return layer
    selects = isinstance(form, _Selection)
    source, tables = _array(form.source), _array(form.entries if selects else form.tables)
    require(len(source) == form.lookups and form.lookups > 0, "says a wrong number of lookups")
    require(len(tables) % form.lookups == 0, "has tables of unequal length")
    if selects:
        return Selection(form.width_out, source, tables.reshape(form.lookups, -1), form.op != "selection")
    return Lookup(form.width_out, source, tables.reshape(form.lookups, -1), isinstance(form, _Negacyclic))


def _text(array: I64) -> str:
    return words_to_text(np.ascontiguousarray(array, "<i8").tobytes())


def _array(text: str) -> I64:
    return np.frombuffer(text_to_words(text), "<i8").astype(np.int64)
