"""Concrete's key and value records <-> arrays.

Concrete serializes keys and values as Cap'n Proto records; `concrete_wire.capnp` is the smallest schema that reads the
fields we use. Payloads are little-endian 64-bit words, split over blobs. Every size is bounded by what the profile says
before words are copied, and records come from this machine's own Concrete client, never from the network.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.protocol.errors import BadKey
from fhe.arrays import U64
from fhe.profile import EncryptionProfile, Gadget

SCHEMA = Path(__file__).with_name("concrete_wire.capnp")
MAX_RECORD_BYTES = 1 << 31
_TRAVERSAL_WORDS = 1 << 29  # Cap'n Proto's own limit on what a reader may visit
AGAIN = "Generate the keys again with the version of Concrete that the profile names."


def secret_bits(keyset: bytes, profile: EncryptionProfile) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """(GLWE key bits (N,), LWE key bits (n,)) of a serialized Keyset. Errors: BadKey."""
    with _record("Keyset", keyset) as record:
        keys = {int(key.info.params.lweDimension): key.payload for key in record.client.secretKeys}
        wanted = (profile.glwe_dimension * profile.polynomial_size, profile.lwe_dimension)
        if set(keys) != set(wanted):
            raise BadKey(f"Concrete made secret keys of dimensions {sorted(keys)}, not {sorted(wanted)}.", AGAIN)
        glwe, lwe = (_words(keys[dimension], (dimension,)) for dimension in wanted)
    if glwe.max() > 1 or lwe.max() > 1:
        raise BadKey("Concrete made a secret key that is not binary.", AGAIN)
    return glwe.astype(np.uint8), lwe.astype(np.uint8)


def evaluation_words(server_keyset: bytes, profile: EncryptionProfile) -> tuple[U64, U64]:
    """(bootstrap (n, levels, 2, 2, N), keyswitch (N, levels, n + 1)) of a serialized ServerKeyset. Errors: BadKey."""
    size, n = profile.polynomial_size, profile.lwe_dimension
    with _record("ServerKeyset", server_keyset) as record:
        if len(record.bootstrapKeys) != 1 or len(record.keyswitchKeys) != 1:
            raise BadKey("Concrete made more than one bootstrap or keyswitch key.", AGAIN)
        bootstrap, keyswitch = record.bootstrapKeys[0], record.keyswitchKeys[0]
        made = bootstrap.info.params
        found: tuple[object, ...] = (made.inputLweDimension, made.glweDimension, made.polynomialSize, made.variance)
        _agree("bootstrap key", found, (n, profile.glwe_dimension, size, profile.glwe_variance))
        _agree("bootstrap gadget", Gadget(base_log=made.baseLog, levels=made.levelCount), profile.bootstrap)
        made = keyswitch.info.params
        found = (made.inputLweDimension, made.outputLweDimension, made.variance)
        _agree("keyswitch key", found, (size, n, profile.lwe_variance))
        _agree("keyswitch gadget", Gadget(base_log=made.baseLog, levels=made.levelCount), profile.keyswitch)
        if bootstrap.info.compression or keyswitch.info.compression:
            raise BadKey("Concrete compressed its keys, which this version does not read.", AGAIN)
        return (
            _words(bootstrap.payload, (n, profile.bootstrap.levels, 2, 2, size)),
            _words(keyswitch.payload, (size, profile.keyswitch.levels, n + 1)),
        )


def value_words(value: bytes, dimension: int) -> U64:
    """LWE ciphertexts u64 (count, dimension + 1) of a serialized Value that is not compressed. Errors: BadKey."""
    with _record("Value", value) as record:
        words = np.frombuffer(b"".join(bytes(blob) for blob in record.payload.data), "<u8")
    if len(words) % (dimension + 1):
        raise BadKey(f"A value of {len(words)} words holds no ciphertexts of dimension {dimension}.", AGAIN)
    return words.astype(np.uint64).reshape(-1, dimension + 1)


@contextmanager
def _record(kind: str, data: bytes) -> Iterator[Any]:
    import capnp

    if len(data) > MAX_RECORD_BYTES:
        raise BadKey(f"A record of {len(data)} bytes is over the limit of {MAX_RECORD_BYTES}.", AGAIN)
    capnp.remove_import_hook()
    schema = capnp.load(str(SCHEMA))
    try:
        with getattr(schema, kind).from_bytes(data, traversal_limit_in_words=_TRAVERSAL_WORDS) as record:
            yield record
    except capnp.KjException:
        raise BadKey(f"Concrete's {kind} record cannot be read.", AGAIN) from None


def _words(payload: Any, shape: tuple[int, ...]) -> U64:
    wanted = 8 * int(np.prod(shape, dtype=np.int64))
    found = sum(len(blob) for blob in payload.data)
    if found != wanted:
        raise BadKey(f"Concrete made a key of {found} bytes instead of {wanted}.", AGAIN)
    return np.frombuffer(b"".join(bytes(blob) for blob in payload.data), "<u8").reshape(shape).astype(np.uint64)


def _agree(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise BadKey(f"Concrete's {what} has parameters {found}, the profile has {wanted}.", AGAIN)
