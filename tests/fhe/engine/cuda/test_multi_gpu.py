"""Several GPUs share each batch; whichever of them fail, the bytes are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from app.protocol.errors import Unavailable, VerificationFailed
from fhe.engine.backends import prepare
from fhe.engine.cuda import selection
from fhe.engine.cuda.device import Device
from fhe.engine.native.core import NativeCore
from tests.fhe.engine.cuda.faults import FailingDevice
from tests.fhe.engine.cuda.random_words import inputs, profile_of, random_key

PROFILE = profile_of(64, 2, 15, 5)
LWE, SMALL, TABLES, WHICH = inputs(PROFILE, 11)
Install = Callable[[list[FailingDevice]], list[FailingDevice]]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Makes devices this process's GPUs, each tested on the smallest case."""
    monkeypatch.setattr(selection, "CASES", ("small-two-levels",))

    def put(devices: list[FailingDevice]) -> list[FailingDevice]:
        monkeypatch.setattr(selection, "open_devices", lambda: list[Device](devices))
        selection._examined.cache_clear()
        return devices

    yield put
    selection._examined.cache_clear()


def launches(device: FailingDevice) -> int:
    """How many bootstraps and keyswitches a device has started, keys aside."""
    return sum(name in {"keyswitch", "bootstrap_any"} for name in device.launched)


@pytest.mark.parametrize("count", [1, 2, 3, 11])
def test_three_gpus_share_a_batch_and_give_the_cpu_s_bytes(install: Install, count: int) -> None:
    """Each GPU has a part as soon as there are as many ciphertexts as GPUs; the order is kept."""
    devices = install([FailingDevice() for _ in range(3)])
    key = random_key(PROFILE, packing=True)
    core, expected = prepare(PROFILE, key, "cuda"), NativeCore(PROFILE, key)
    before = [launches(device) for device in devices]
    assert core.batch == 3 * 512
    assert np.array_equal(core.keyswitch(LWE[:count]), expected.keyswitch(LWE[:count]))
    some = SMALL[:count], TABLES, WHICH[:count]
    assert np.array_equal(core.bootstrap(*some), expected.bootstrap(*some))
    busy = [launches(device) - start for device, start in zip(devices, before, strict=True)]
    assert busy == [2 if number < count else 0 for number in range(3)]
    assert np.array_equal(core.pack(LWE), expected.pack(LWE))


@pytest.mark.parametrize("lost", [(0,), (2,), (0, 1)])
def test_a_lost_gpu_s_part_is_done_by_the_others(install: Install, lost: tuple[int, ...]) -> None:
    """Also where two of three fail in the same batch; what failed is not asked again for that key."""
    devices = install([FailingDevice() for _ in range(3)])
    key = random_key(PROFILE, packing=True)
    core, expected = prepare(PROFILE, key, "cuda"), NativeCore(PROFILE, key)
    for number in lost:
        devices[number].lost_after = 0
    with pytest.warns(RuntimeWarning, match="The other GPUs compute"):
        found = core.bootstrap(SMALL, TABLES, WHICH)
    assert np.array_equal(found, expected.bootstrap(SMALL, TABLES, WHICH))
    for number in lost:
        devices[number].lost_after = None
    before = [len(devices[number].launched) for number in lost]
    assert np.array_equal(core.keyswitch(LWE), expected.keyswitch(LWE))
    assert np.array_equal(core.pack(LWE), expected.pack(LWE))
    assert before == [len(devices[number].launched) for number in lost]


def test_packing_moves_to_another_gpu(install: Install) -> None:
    """Packing is one GPU's work; where that one is lost, the next packs."""
    devices = install([FailingDevice() for _ in range(2)])
    key = random_key(PROFILE, packing=True)
    core = prepare(PROFILE, key, "cuda")
    devices[0].lost_after = 0
    with pytest.warns(RuntimeWarning, match="The other GPUs compute"):
        packed = core.pack(LWE)
    assert np.array_equal(packed, NativeCore(PROFILE, key).pack(LWE))


def test_when_all_are_lost_auto_goes_on_with_the_cpu_and_cuda_declines(install: Install) -> None:
    """The last GPU's failure is the core's."""
    devices = install([FailingDevice() for _ in range(2)])
    key = random_key(PROFILE)
    cores = prepare(PROFILE, key, "auto"), prepare(PROFILE, key, "cuda")
    for device in devices:
        device.lost_after = 0
    with pytest.warns(RuntimeWarning, match="The CPU computes"):
        found = cores[0].keyswitch(LWE)
    assert np.array_equal(found, NativeCore(PROFILE, key).keyswitch(LWE))
    assert cores[0].name == "native"
    with pytest.raises(Unavailable, match="unspecified launch failure"):
        cores[1].keyswitch(LWE)


def test_each_gpu_has_its_own_self_test(install: Install) -> None:
    """One that computes a wrong bit is left out with a warning; if none is right, "cuda" refuses."""
    good, bad = install([FailingDevice(), FailingDevice("keyswitch")])
    with pytest.warns(RuntimeWarning, match=r"other bytes.*The other GPUs compute"):
        assert selection.trusted() == (good,)
    assert prepare(PROFILE, random_key(PROFILE), "cuda").batch == 512
    assert good.launched
    assert bad.launched
    install([FailingDevice("keyswitch"), FailingDevice("bootstrap_any")])
    with pytest.raises(VerificationFailed, match="keyswitch"):
        selection.trusted()
