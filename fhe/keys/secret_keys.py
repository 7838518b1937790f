"""Secret keys, and their generation by Concrete's client.

Concrete compiles the profile's program, which makes its optimizer choose parameters anew; keys are made only if that
choice is the profile's. Concrete and pycapnp are imported when keys are made, so that everything else here works
without them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from app.protocol.documents import Document, Sha256
from app.protocol.errors import BadKey, DarkroomError
from app.protocol.ids import Digest
from fhe.arrays import U8
from fhe.evaluation_key import EvaluationKey
from fhe.keys import concrete_library
from fhe.profile import EncryptionProfile, Gadget
from fhe.profiles import PROGRAMS

if TYPE_CHECKING:
    from concrete.fhe import Circuit as ConcreteCircuit


MAX_KEY_BYTES = 1 << 20
WRONG = "Use the key of this dataset's epoch: darkroom keys list."


class _Header(Document):
    kind: Literal["darkroom/secret-keys"] = "darkroom/secret-keys"
    profile: Sha256
    epoch: int
    glwe: int
    lwe: int


@dataclass(frozen=True, eq=False, repr=False)
class SecretKeys:
    """The owner's keys of one epoch: bits of the GLWE key (N,) and of the LWE key (n,). Never printed or logged."""

    profile: Digest
    epoch: int
    glwe: U8
    lwe: U8

    def __repr__(self) -> str:
        return f"SecretKeys(profile={self.profile[:12]}, epoch={self.epoch})"

    def check(self, profile: EncryptionProfile) -> None:
        """Errors: BadKey unless these are binary keys of this profile's dimensions."""
        if self.profile != profile.digest:
            raise BadKey("This secret key belongs to another encryption profile.", WRONG)
        for bits, dimension in ((self.glwe, profile.polynomial_size), (self.lwe, profile.lwe_dimension)):
            if bits.shape != (dimension,) or bits.dtype != np.uint8 or bits.max() > 1:
                raise BadKey("This secret key does not have the shape of its profile.", WRONG)

    def to_bytes(self) -> bytes:
        """Header length (4 little-endian bytes), canonical header, then one byte for each bit. SECRET: seal it."""
        header = _Header(profile=self.profile, epoch=self.epoch, glwe=len(self.glwe), lwe=len(self.lwe)).to_bytes()
        return len(header).to_bytes(4, "little") + header + self.glwe.tobytes() + self.lwe.tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> SecretKeys:
        """Inverse of `to_bytes`. Errors: BadKey."""
        length = int.from_bytes(data[:4], "little")
        try:
            if len(data) > MAX_KEY_BYTES:
                raise BadKey("too long")
            header = _Header.from_bytes(data[4 : 4 + length])
        except DarkroomError:
            raise BadKey("These are not secret keys.", WRONG) from None
        bits = np.frombuffer(data[4 + length :], np.uint8).copy()
        if min(header.glwe, header.lwe) < 1 or len(bits) != header.glwe + header.lwe or bits.max() > 1:
            raise BadKey("These secret keys are damaged.", "Restore the key file from a backup.")
        return cls(header.profile, header.epoch, bits[: header.glwe], bits[header.glwe :])


def generate(profile: EncryptionProfile, epoch: int) -> tuple[SecretKeys, EvaluationKey]:
    """New keys from Concrete's client: seconds of one core, and 200 MB at the reference.

    Errors: BadKey when this Concrete's optimizer does not choose the profile's parameters.
    """
    circuit = compile_program(profile)
    circuit.client.keygen(force=True)  # from the operating system's randomness
    return client_keys(circuit, profile, epoch)


def client_keys(circuit: ConcreteCircuit, profile: EncryptionProfile, epoch: int) -> tuple[SecretKeys, EvaluationKey]:
    """The keys that a compiled circuit's client holds. Errors: BadKey when they are not of the profile."""
    from fhe.keys import concrete_serialization

    glwe, lwe = concrete_serialization.secret_bits(bytes(circuit.client.keys.serialize()), profile)
    bootstrap, keyswitch = concrete_serialization.evaluation_words(
        bytes(circuit.client.evaluation_keys.serialize()), profile
    )
    secret = SecretKeys(profile.digest, epoch, glwe, lwe)
    evaluation = EvaluationKey(profile.digest, epoch, bootstrap, keyswitch)
    secret.check(profile)
    evaluation.check(profile, epoch)
    return secret, evaluation


def compile_program(profile: EncryptionProfile) -> ConcreteCircuit:
    """The profile's program, compiled by Concrete; its parameters are the profile's. Errors: BadKey."""
    fhe = concrete_library.load()
    program = PROGRAMS.get(profile.name)
    if program is None:
        raise BadKey(f"Concrete makes no keys for the profile {profile.name}.", "Use a reference profile.")
    table = fhe.LookupTable(list(program.table))
    top = len(program.table) - 1

    def function(x: Any) -> Any:
        return np.sum(table[x]) if program.terms > 1 else table[x]

    inputs = [np.full(program.terms, value, np.int64) for value in (0, top)]
    configuration = fhe.Configuration(
        p_error=2.0**profile.p_error_log2,
        parameter_selection_strategy=fhe.ParameterSelectionStrategy.MONO,
        single_precision=False,
        compress_evaluation_keys=False,
        compress_input_ciphertexts=False,
    )
    circuit: ConcreteCircuit = fhe.Compiler(function, {"x": "encrypted"}).compile(inputs, configuration)
    found = chosen(circuit)
    wanted = profile.model_dump(include=set(found))
    if found != wanted:
        raise BadKey(
            f"This Concrete chooses {found} where the profile {profile.name} has {wanted}.",
            f"Install the version that chose the profile: {profile.optimizer}.",
        )
    return circuit


def chosen(circuit: ConcreteCircuit) -> dict[str, Any]:
    """What the optimizer chose for a compiled circuit, by the profile's names. Errors: BadKey if it is not one key."""
    keyset = circuit.client.specs.program_info.get_keyset_info()
    bootstraps, keyswitches = keyset.bootstrap_keys(), keyset.keyswitch_keys()
    if len(bootstraps) != 1 or len(keyswitches) != 1 or len(keyset.secret_keys()) != 2:
        raise BadKey("This Concrete's optimizer chooses more than one key of a kind.", "Install the profile's version.")
    (bootstrap,), (keyswitch,) = bootstraps, keyswitches
    return {
        "lwe_dimension": bootstrap.input_lwe_dimension(),
        "glwe_dimension": bootstrap.glwe_dimension(),
        "polynomial_size": bootstrap.polynomial_size(),
        "bootstrap": Gadget(base_log=bootstrap.base_log(), levels=bootstrap.level()).model_dump(),
        "keyswitch": Gadget(base_log=keyswitch.base_log(), levels=keyswitch.level()).model_dump(),
        "lwe_variance": keyswitch.variance(),
        "glwe_variance": bootstrap.variance(),
    }
