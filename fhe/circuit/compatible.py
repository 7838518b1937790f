"""Whether a circuit can run on a dataset: made for its codes and profile, and no wider than the profile's words.

And only under an evaluator that knows what the circuit asks for. The one statement of these rules, for everybody who
compiles, quotes, orders, evaluates, releases or audits.
"""

from __future__ import annotations

from app.protocol.data.dataset import Codebook, EncryptedTable
from app.protocol.data.listing import published
from app.protocol.errors import BadKey, BadModel, MessageOverflow
from app.protocol.vocabulary import EvaluatorName
from fhe.circuit.circuit import Circuit, Linear, selects
from fhe.profile import EncryptionProfile

AGAIN = "Fit the model on this dataset's codes and compile it again: darkroom model compile."
SMALLER = "Use smaller weights or fewer of them: fewer bits (n_bits), or fewer columns."


def compatible(circuit: Circuit, profile: str, codebook: str) -> bool:
    """Whether a circuit was made for a dataset with this profile and these codes (digests)."""
    return (circuit.profile, circuit.codebook) == (profile, codebook)


def same_codes(one: Codebook, other: Codebook) -> bool:
    """Whether what was coded by one codebook is coded by the other."""
    return one.digest == other.digest


def check_compatible(circuit: Circuit, profile: str, codebook: str) -> None:
    """The same. Errors: BadModel."""
    if not compatible(circuit, profile, codebook):
        what = "encryption profile" if circuit.profile != profile else "codes"
        raise BadModel(f"This circuit was compiled for another dataset's {what}.", AGAIN)


def check_evaluator(circuit: Circuit, evaluator: EvaluatorName) -> None:
    """Whether a dataset's evaluator has all that the circuit asks for: sums and digits came with the second.

    Errors: BadModel.
    """
    if (circuit.block or circuit.centred) and evaluator == "darkroom-canonical-1":
        what, lacks = ("sums over rows", "sums") if circuit.block else ("reads digits", "centred switch")
        raise BadModel(
            f"This circuit {what}, and the dataset runs under {evaluator}, which has no {lacks}.",
            "Ask its owner to publish a new version: darkroom dataset update.",
        )


def check_published(circuit: Circuit, table: EncryptedTable) -> None:
    """Whether a table has the files that a circuit's inputs are read from. Errors: BadModel."""
    there = published(table)
    missing = next((each for each in circuit.files if each not in there), None)
    if missing is not None and (circuit.lwe_bins or there):
        what = {"affine": "codes", "bins": "packed bins", "lwe-bins": "bins under the small key"}[missing[1]]
        raise BadModel(
            f"This circuit reads {what} of column {missing[0]!r}, which the dataset does not publish.", AGAIN
        )


def packs(table: EncryptedTable) -> bool:
    """Whether a table states that its evaluation key has a packing key; manifests without the key's roots do not."""
    return table.key_roots is not None and table.key_roots.packs


def check_packs(circuit: Circuit, *, packs: bool) -> None:
    """Whether there is a packing key where a circuit needs one before it ends. Errors: BadKey."""
    if selects(circuit) and not packs:
        raise BadKey(
            "This circuit selects among encrypted tables, which takes a packing key, and this dataset offers none.",
            "Compile the model again for this dataset, which leaves selections out (darkroom model compile), or ask its"
            " owner for a version that states one.",
        )


def check_reads(circuit: Circuit, table: EncryptedTable) -> None:
    """Whether a circuit was made for this dataset, which publishes all that it reads. Errors: BadModel."""
    check_compatible(circuit, table.profile, table.codebook.digest)
    check_evaluator(circuit, table.evaluator)
    check_published(circuit, table)


def check_dataset(circuit: Circuit, table: EncryptedTable) -> None:
    """The same, and that its key, which is not at hand, has what the circuit needs. Errors: BadModel, BadKey."""
    check_reads(circuit, table)
    if table.evaluation_key is not None:  # without one no lookup is possible, which is said in other words
        check_packs(circuit, packs=packs(table))


def check_widths(circuit: Circuit, profile: EncryptionProfile) -> None:
    """Whether the profile's words hold what each layer reads, and its polynomials each table. Errors: MessageOverflow.

    For a well-formed circuit (`fhe.circuit.well_formed.check_form`).
    """
    for number, layer in enumerate(circuit.layers):
        if isinstance(layer, Linear):
            if layer.width > profile.message_width:
                raise MessageOverflow(
                    f"Layer {number} reads {layer.width} bits, and the profile has {profile.message_width}.", SMALLER
                )
        elif 2 << layer.bits() > profile.polynomial_size:
            raise MessageOverflow(
                f"Layer {number} looks up {layer.bits()} bits, which is more than the profile's polynomials hold.",
                SMALLER,
            )
