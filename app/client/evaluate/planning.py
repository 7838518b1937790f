"""What a test of a model asks for: pure, so that whoever prices a test uses the same."""

from __future__ import annotations

from app.client.ask.cells import AskedTable
from app.client.evaluate.boxes import grid_of
from app.client.evaluate.class_test import ClassTest
from app.client.evaluate.classes import plan_classes
from app.client.evaluate.compared import BUCKETS, plan_compared
from app.client.evaluate.errors_of_lines import ErrorTest, plan_error
from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadQuery
from fhe.circuit.circuit import Circuit
from fhe.circuit.compatible import check_compatible
from fhe.compile.decoder import Decoder
from fhe.profile import EncryptionProfile

TestPlan = ClassTest | ErrorTest


def plan_test(
    circuit: Circuit,
    decoder: Decoder,
    codebook: Codebook,
    profile: EncryptionProfile,
    label: str,
    *,
    buckets: int = BUCKETS,
) -> TestPlan:
    """What to ask so that a model is tested against a label.

    A classifier that tells few combinations of bins apart is counted by these; scores of others are compared, with so
    many `buckets` of scores for each of two classes.

    Errors: BadModel for another dataset's; BadQuery with the nearest that can be tested.
    """
    check_compatible(circuit, profile.digest, codebook.digest)
    if circuit.block:
        raise BadQuery("This model is a sum over rows already.", "Test the model that it is the sum of.")
    if decoder.labels is None:
        return plan_error(circuit, decoder, codebook, profile, label)
    table = AskedTable(codebook)
    grid = grid_of(circuit, table)
    found = None if grid is None else plan_classes(circuit, decoder, grid, table, profile, label)
    return found or plan_compared(circuit, decoder, table, profile, label, buckets)
