"""A model is what it means: two models of one circuit live side by side, and a result opens with the one ordered."""

from __future__ import annotations

import numpy as np
import pytest

from app.client.buyer import Buyer
from app.client.dataset import Dataset
from app.client.models import ModelStore
from app.files.private import write_private
from app.files.sealed import MIN_WORK
from app.protocol.errors import BadDocument, BadModel, NotFound, UsageError
from app.seal.keys import SealingKey
from tests.client.conftest import Run
from tests.support.homes import PASSPHRASE
from tests.support.regression import WEIGHTS, license, regressor, sample, settle
from tests.support.web import MarketNode


def test_an_old_result_keeps_its_numbers(scene: MarketNode, buyer: Buyer, darkroom: Run) -> None:
    """A second model with the same circuit and another scale changes no result of the first, here or by command."""
    dataset = Dataset.open(buyer.network, 1)
    key = SealingKey.create(buyer.actor.path("sealing.key"), PASSPHRASE, work=MIN_WORK)
    first, second = (dataset.with_levels(regressor(dataset, WEIGHTS * times), 8, sample()) for times in (3, 6))
    assert first.decoder.circuit == second.decoder.circuit
    ordered = buyer.models.keep(first)
    job = buyer.open_job(license(scene), ordered, first_row=0, rows=59, sealing_key=key).value
    settle(scene, job)
    before = buyer.open_result(job, key)
    other = buyer.models.keep(second)
    assert other.digest != ordered.digest
    assert set(buyer.models.digests()) == {ordered.digest, other.digest}
    after = buyer.open_result(job, key)
    assert after.model is not None
    assert after.model.digest == ordered.digest
    assert after.intervals() == before.intervals()
    doubled = [(low and 2 * low, high and 2 * high) for low, high in before.intervals()]
    np.testing.assert_allclose(
        np.array(buyer.open_result(job, key, model=other).intervals(), float), np.array(doubled, float)
    )

    code, told, _ = darkroom("result", "open", str(job), "--json")
    assert (code, told["model"], told["model_known_by"]) == (0, ordered.digest, "order")
    assert told["intervals"] == [list(pair) for pair in before.intervals()]


def test_a_job_that_this_machine_did_not_order(scene: MarketNode, buyer: Buyer) -> None:
    """Without a note of the order one model of the circuit is taken, of several the buyer names one, and no other."""
    dataset, key = Dataset.open(buyer.network, 1), SealingKey.generate()
    first, second = (dataset.with_levels(regressor(dataset, WEIGHTS * times), 8, sample()) for times in (3, 6))
    stranger = dataset.with_levels(regressor(dataset, WEIGHTS - 0.125), 8, sample())
    ordered = buyer.models.keep(first)
    job = buyer.open_job(license(scene), ordered, first_row=0, rows=30, sealing_key=key).value
    settle(scene, job)
    for note in buyer.actor.path("orders").iterdir():
        note.unlink()
    opened = buyer.open_result(job, key)
    assert (opened.model and opened.model.digest, opened.known_by) == (ordered.digest, "circuit")
    other = buyer.models.keep(second)
    with pytest.raises(UsageError, match="2 of your models") as caught:
        buyer.open_result(job, key)
    assert "darkroom result open" in caught.value.next_step
    assert buyer.open_result(job, key, model=other).intervals() != opened.intervals()
    with pytest.raises(BadModel):
        buyer.open_result(job, key, model=buyer.models.keep(stranger))


def test_a_kept_model_is_found_and_checked(scene: MarketNode, buyer: Buyer) -> None:
    """By its digest or how it begins; by its circuit where that is one model's; a changed file is refused."""
    dataset = Dataset.open(buyer.network, 1)
    kept = buyer.models.keep(regressor(dataset, WEIGHTS * 3), target="price")
    assert (kept.card.target, kept.card.features) == ("price", tuple(dataset.columns))
    for name in (kept.digest, kept.digest[:9], kept.circuit_digest, kept.circuit_digest[:9]):
        assert buyer.models.find(name).digest == kept.digest
    assert buyer.models.keep(regressor(dataset, WEIGHTS * 3), target="price").digest == kept.digest
    other = buyer.models.keep(regressor(dataset, WEIGHTS * 3), target="rent")
    with pytest.raises(NotFound, match="2 of your models"):
        buyer.models.find(kept.circuit_digest)
    path = buyer.actor.path(f"models/{other.digest}.model")
    path.write_bytes(buyer.actor.path(f"models/{kept.digest}.model").read_bytes())
    with pytest.raises(BadDocument):
        buyer.models.find(other.digest)


def test_a_shelf_of_an_earlier_edition(scene: MarketNode, buyer: Buyer) -> None:
    """Files that were named by their circuits are told from a model that is not there, with what to do."""
    folder = buyer.actor.path("earlier")
    folder.mkdir()
    write_private(folder / f"{'5' * 64}.circuit", b"")
    write_private(folder / f"{'5' * 64}.decoder", b"")
    with pytest.raises(BadDocument, match="earlier edition") as caught:
        ModelStore(folder).find("5" * 64)
    assert "darkroom model compile" in caught.value.next_step
    assert ModelStore(folder).digests() == []
