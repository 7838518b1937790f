"""Evaluates a circuit on rows of an encrypted table: the one function that executors, custodians and auditors call.

Rows stream through in batches, so memory is bounded whatever the job's size; neither batches nor threads nor the
backend change a byte of the result. docs/canonical-evaluator.md sections 6 to 8.
"""

from __future__ import annotations

from collections.abc import Iterator
from weakref import WeakKeyDictionary

import numpy as np

from app.protocol.data.dataset import EncryptedTable
from app.protocol.errors import BadKey, BadModel
from app.protocol.ports import Progress
from fhe.arrays import U64
from fhe.circuit.circuit import Circuit, Linear, Lookup, rotating
from fhe.circuit.compatible import check_packs
from fhe.circuit.well_formed import check_form
from fhe.engine.backends import prepare
from fhe.engine.core import BackendName, Core, check_parameters
from fhe.engine.layer_values import Wires
from fhe.engine.linear import Combine, evaluate_bodies
from fhe.engine.lookups import look_up, rotations_of
from fhe.engine.lwe_values import LweWires
from fhe.engine.output import OutputStage, choose_form
from fhe.engine.results import CiphertextSink, LweResults, PackedResults, Results
from fhe.engine.source import BinSource, ChunkSource, Span, check_runs_on, spans
from fhe.engine.sums import BlockSums, evaluate_sums
from fhe.evaluation_key import EvaluationKey
from fhe.profile import EncryptionProfile

_prepared: WeakKeyDictionary[EvaluationKey, dict[tuple[BackendName, int], Core]] = WeakKeyDictionary()


def evaluate(
    circuit: Circuit,
    profile: EncryptionProfile,
    table: EncryptedTable,
    source: ChunkSource,
    first_row: int,
    rows: int,
    key: EvaluationKey | None,
    threads: int = 1,
    backend: BackendName = "auto",
    progress: Progress | None = None,
) -> OutputStage:
    """The circuit's outputs on rows [first_row, first_row + rows) of the table, or their sums over its blocks.

    `key` is needed for circuits with lookups only. Progress counts lookups, or chunks for linear circuits.
    Errors: BadDocument (not well-formed), BadModel, MessageOverflow, BadKey (missing, foreign, another epoch),
    RowsOutsideDataset, and what the source raises.
    """
    check_form(circuit)
    last = circuit.layers[-1]
    assert isinstance(last, Linear)
    if len(circuit.layers) == 1:
        if circuit.block:
            words = evaluate_sums(circuit, profile, table, source, first_row, rows, threads=threads, progress=progress)
            return OutputStage("bodies", words.shape[1], len(last.bias), last.width, profile.polynomial_size, 64, words)
        combine = combine_for(profile, backend)
        words = evaluate_bodies(
            circuit, profile, table, source, first_row, rows, threads=threads, progress=progress, combine=combine
        )
        return OutputStage("bodies", rows, len(last.bias), last.width, profile.polynomial_size, 64, words)
    check_runs_on(circuit, profile, table)
    core = core_for(profile, table, key, threads, backend)
    assert key is not None
    check_packs(circuit, packs=key.packing is not None)
    result_rows = circuit.result_rows(rows)
    values = result_rows * len(last.bias)
    results = results_for(core, profile, values, packing=key.packing is not None)
    taken: CiphertextSink = results
    if circuit.block:
        taken = BlockSums(circuit, profile.polynomial_size, rows, results)
    for ciphertexts in output_ciphertexts(circuit, profile, table, source, first_row, rows, core, progress):
        taken.add(ciphertexts)
    return results.output(result_rows, last)


def results_for(core: Core, profile: EncryptionProfile, values: int, *, packing: bool) -> Results:
    """What collects so many output ciphertexts in the smaller form; `packing`: the dataset has a packing key."""
    if choose_form(profile, values, packing) == "lwe":
        return LweResults(profile, values)
    return PackedResults(core, profile, values)


def output_ciphertexts(
    circuit: Circuit,
    profile: EncryptionProfile,
    table: EncryptedTable,
    source: ChunkSource,
    first_row: int,
    rows: int,
    core: Core,
    progress: Progress | None = None,
) -> Iterator[U64]:
    """The outputs of a circuit with lookups in row-major order, before they are summed, rounded or packed.

    Each is (rows, outputs, N + 1), or of a single row some of its next outputs. Progress counts lookups.
    Errors: RowsOutsideDataset, and what the source raises.
    """
    last = circuit.layers[-1]
    assert isinstance(last, Linear)
    lookups = sum(len(layer.source) for layer in rotating(circuit.layers))
    tables = [rotations_of(circuit, layer, profile) if isinstance(layer, Lookup) else None for layer in circuit.layers]
    outputs, done = np.arange(len(last.bias)), 0
    step = max(1, core.batch // max(lookups, len(outputs)))
    for span in spans(table, profile.polynomial_size, first_row, rows):
        wires = wires_of(circuit, profile, source, span)
        for start in range(span.start, span.stop, step):
            part = range(start, min(start + step, span.stop))
            looked_up = look_up(circuit, wires, core, tables, part)
            for begin in range(0, len(outputs), core.batch):  # more than one block only if `step` is one row
                block = wires.values(last, outputs[begin : begin + core.batch], part, looked_up)
                yield block.transpose(1, 0, 2)
            done += len(part) * lookups
            if progress is not None:
                progress(done, rows * lookups)


def wires_of(circuit: Circuit, profile: EncryptionProfile, source: ChunkSource, span: Span) -> Wires | LweWires:
    """What reads a circuit's wires for the rows of a span. Errors: BadModel for a source that has packed words only."""
    if not circuit.lwe_bins:
        return Wires(circuit, profile, source, span)
    if not isinstance(source, BinSource):
        raise BadModel("This circuit reads bins under the small key, which are not here.", "Read them from a store.")
    return LweWires(circuit, profile, source, span)


def combine_for(profile: EncryptionProfile, backend: BackendName) -> Combine | None:
    """What sums columns: a GPU where it is asked for by name, else NumPy. Errors: Unavailable, VerificationFailed."""
    if backend != "cuda":
        return None  # words come from a store and go back over the bus: a GPU gains nothing
    from fhe.engine.cuda.columns import Columns
    from fhe.engine.cuda.selection import trusted

    return Columns(profile, trusted()[0]).combine  # one GPU: the bus is the limit


def core_for(
    profile: EncryptionProfile, table: EncryptedTable, key: EvaluationKey | None, threads: int, backend: BackendName
) -> Core:
    """The core for a table's evaluation key, prepared once for as long as the key lives. Errors: BadKey, BadInput."""
    if key is None:
        raise BadKey("This circuit has lookups, which need the dataset's evaluation key.", "Fetch the evaluation key.")
    check_parameters(profile)
    key.check(profile, table.epoch)
    cores = _prepared.setdefault(key, {})
    if (backend, threads) not in cores:
        cores[backend, threads] = prepare(profile, key, backend, threads)
    return cores[backend, threads]
