"""A GPU that fails is replaced by the CPU, or declines; no fault gives another digest."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from app.protocol.errors import Unavailable, VerificationFailed
from fhe.ciphertexts.packing_key import with_packing
from fhe.circuit.circuit import Linear, Readout
from fhe.engine import conformance
from fhe.engine.backends import prepare
from fhe.engine.core import BackendName
from fhe.engine.cuda import selection
from fhe.engine.cuda.core import CudaCore
from fhe.engine.cuda.device import cupy_devices
from fhe.engine.evaluate import evaluate
from fhe.engine.output import OutputStage
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.profile import EVALUATOR
from fhe.profiles import insecure_test_profile
from tests.fhe.engine.cuda.faults import FailingDevice
from tests.fhe.linear_case import CIRCUIT as LINEAR
from tests.fhe.linear_case import DATA, PROFILE
from tests.support.encrypted_tables import TableWithKeys, make_table, tree_like

Install = Callable[[FailingDevice], FailingDevice]


@pytest.fixture(scope="module")
def world() -> TableWithKeys:
    """A table under a small profile, with a packing key."""
    profile = insecure_test_profile(64, 12)
    secret, key = insecure_test_keys(profile)
    return make_table(profile, secret, with_packing(key, secret, profile, 1), (70,))


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Makes a device this process's GPU, tested as a real one is, on the two smallest cases."""
    monkeypatch.setattr(selection, "CASES", ("small-two-levels", "small-one-level"))

    def put(device: FailingDevice) -> FailingDevice:
        monkeypatch.setattr(selection, "open_devices", lambda: [device])
        selection._examined.cache_clear()
        return device

    yield put
    selection._examined.cache_clear()


def run(world: TableWithKeys, backend: BackendName) -> OutputStage:
    """The table's first rows through a small forest, with a core prepared anew."""
    circuit, key = tree_like(world, outputs=2), replace(world.key)
    return evaluate(circuit, world.profile, world.table, world.source, 0, 30, key, 1, backend)


def test_auto_takes_a_gpu_that_passes_its_test_and_gives_the_same_result(
    world: TableWithKeys, install: Install
) -> None:
    """The whole path of a job, packed results included."""
    device = install(FailingDevice())
    result = run(world, "auto")
    assert result.form == "packed"
    assert {"keyswitch", "bootstrap_any", "pack_finish"} <= set(device.launched)
    assert result.to_bytes() == run(world, "cpu").to_bytes() == run(world, "cuda").to_bytes()


@pytest.mark.parametrize(("block", "rows"), [(7, 30), (30, 30), (1, 4)])
def test_sums_of_lookups_have_the_same_bytes_on_every_backend(
    world: TableWithKeys, install: Install, block: int, rows: int
) -> None:
    """Ciphertexts that a GPU bootstraps are added up as the host's are: blocks of rows, in any form of result."""
    device = install(FailingDevice())
    circuit = replace(tree_like(world, outputs=2), block=block)
    table = world.table.model_copy(update={"evaluator": EVALUATOR})
    backends: list[BackendName] = ["native", "cuda"]
    if rows < 10:  # it takes long
        backends.append("reference")
    for key in (replace(world.key), replace(world.key, packing=None)):
        found = {
            backend: evaluate(circuit, world.profile, table, world.source, 3, rows, key, 1, backend).to_bytes()
            for backend in backends
        }
        assert len(set(found.values())) == 1
        assert evaluate(circuit, world.profile, table, world.source, 3, rows, key).rows == circuit.result_rows(rows)
    assert "bootstrap_any" in device.launched


def test_sums_without_lookups_are_the_hosts_whatever_the_backend(install: Install) -> None:
    """Adding up words that come from a store is the host's work: the same bytes under every name, and no kernel."""
    device = install(FailingDevice())
    layer = LINEAR.layers[0]
    assert isinstance(layer, Linear)
    circuit = replace(LINEAR, layers=(replace(layer, width=27),), readout=Readout("value"), block=100)
    table = DATA.table.model_copy(update={"evaluator": EVALUATOR})
    backends: list[BackendName] = ["reference", "native", "cuda"]
    found = {evaluate(circuit, PROFILE, table, DATA, 5, 800, None, 1, each).to_bytes() for each in backends}
    assert len(found) == 1
    assert not device.launched


@pytest.mark.parametrize("flip", ["transform_key", "keyswitch", "bootstrap_any", "pack_finish"])
def test_a_wrong_bit_in_the_self_test_keeps_a_gpu_from_computing(
    world: TableWithKeys, install: Install, flip: str
) -> None:
    """Whichever stage is wrong: "auto" warns and the CPU computes; "cuda" refuses with the stage's name."""
    install(FailingDevice(flip))
    with pytest.warns(RuntimeWarning, match=r"other bytes.*The CPU computes"):
        result = run(world, "auto")
    assert result.to_bytes() == run(world, "cpu").to_bytes()
    with pytest.raises(VerificationFailed, match="cuda backend gives other bytes"):
        run(world, "cuda")


def test_a_gpu_lost_anywhere_in_a_job_changes_no_byte(
    world: TableWithKeys, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver fails after each possible number of launches; the CPU goes on, and the result is the same."""
    monkeypatch.setattr(CudaCore, "batch", 40)  # several batches a job
    expected = run(world, "cpu").to_bytes()
    device = install(FailingDevice())
    prepare(world.profile, world.key, "cuda")  # passes its self-test now
    tested = len(device.launched)
    run(world, "cuda")
    launches = len(device.launched) - tested
    assert launches > 8
    for count in range(launches):
        install(device)
        device.launched.clear()
        device.lost_after = None
        selection.trusted()
        device.lost_after = len(device.launched) + count
        with pytest.warns(RuntimeWarning, match="The CPU computes instead"):
            assert run(world, "auto").to_bytes() == expected


def test_without_memory_auto_goes_on_and_cuda_declines(world: TableWithKeys, install: Install) -> None:
    """Out of memory after the self-test: the CPU's bytes with "auto", a typed error with "cuda"."""
    device = install(FailingDevice())
    selection.trusted()
    device.memory = False
    with pytest.warns(RuntimeWarning, match="out of memory"):
        result = run(world, "auto")
    assert result.to_bytes() == run(world, "cpu").to_bytes()
    with pytest.raises(Unavailable, match="out of memory"):
        run(world, "cuda")


def test_a_gpu_that_failed_is_not_asked_again_for_that_key(world: TableWithKeys, install: Install) -> None:
    """The core that took over stays, so that a job does not fail once a batch."""
    device = install(FailingDevice())
    core = prepare(world.profile, world.key, "auto")
    assert (core.name, core.batch) == ("cuda", 512)
    device.lost_after = 0
    lwe = np.zeros((3, 65), np.uint64)
    with pytest.warns(RuntimeWarning):
        first = core.keyswitch(lwe)
    device.lost_after = None
    before = len(device.launched)
    assert np.array_equal(core.keyswitch(lwe), first)
    assert core.name == "native"
    assert len(device.launched) == before


def test_the_self_test_runs_once_a_process(install: Install) -> None:
    """Later keys find a tested device."""
    device = install(FailingDevice())
    selection.trusted()
    count = len(device.launched)
    assert count > 0
    assert selection.trusted() == (device,)
    assert len(device.launched) == count


def test_without_cupy_there_is_no_gpu_and_auto_says_nothing(
    world: TableWithKeys, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CPU computes without a warning (warnings are errors here); "cuda" says what to install."""
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(selection, "open_devices", cupy_devices)
    selection._examined.cache_clear()
    assert prepare(world.profile, world.key, "auto").name == "native"
    with pytest.raises(Unavailable, match="CuPy is not installed"):
        prepare(world.profile, world.key, "cuda")


def test_the_conformance_command_checks_a_gpu_where_there_is_one(install: Install) -> None:
    """`self_test("cuda")` uses the trusted device, and names what differs."""
    install(FailingDevice())
    conformance.self_test("cuda", 1, ("small-one-level",))
    install(FailingDevice("keyswitch"))
    with pytest.raises(VerificationFailed, match="small-two-levels, keyswitch"):
        conformance.self_test("cuda", 1, ("small-one-level",))
