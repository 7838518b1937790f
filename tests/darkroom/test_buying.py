"""A buyer's way through the face, on a real market: bounds, licenses, jobs that are taken up again, what is shown."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sklearn.linear_model import LinearRegression

import darkroom
from app.home.home import Home
from app.protocol.errors import NotAllowed, NotFound, TryAgain, UsageError
from tests.support.homes import PASSPHRASE
from tests.support.market import BITS, DOLLAR, HOUR
from tests.support.regression import POLICY, WEIGHTS, sample, settle
from tests.support.web import MarketNode


def offered(scene: MarketNode, price: int = DOLLAR) -> int:
    """A new offer under a policy of three bits a license."""
    scene.store.put(POLICY.to_bytes())
    sent = scene.market.create_offer(
        scene.stage.owner, scene.stage.dataset, price_license=price, price_job=DOLLAR, price_row=1, max_jobs=100,
        max_rows=10_000, duration=24 * HOUR, policy=POLICY.digest, **BITS,
    )  # fmt: skip
    return sent.value


def compiled(dataset: darkroom.Dataset, levels: int) -> darkroom.Model:
    """A regression of the buyer's, told in so many levels: another number for each use, so that no answer is known."""
    rows = sample()
    fitted = LinearRegression().fit(dataset.encode(rows), rows.to_numpy() @ WEIGHTS)
    return dataset.compile(
        fitted, columns=dataset.columns, fitted_on="codes", levels=levels, sample=rows, predicts="the score"
    )


def test_nothing_is_paid_without_a_bound_or_above_it(scene: MarketNode, market: darkroom.Market) -> None:
    """Without `max_price`, and with one below the price, no license is bought, no job opened, and the price is told."""
    dataset = market.dataset(1)
    model, offer = compiled(dataset, 3), offered(scene)
    quote = dataset.quote(model, 20, offer=offer)
    assert (quote.ready, quote.offer, quote.license, quote.rows) == (True, offer, None, 20)
    assert quote.total == Decimal(quote.price_license or 0) + (quote.price_job or 0) + (quote.max_fee or 0)
    before = (market.balance, len(market.licenses()), scene.market.job_count())
    with pytest.raises(UsageError, match=f"costs {quote.total} test dollars"):
        dataset.run(model, 20, offer=offer)
    assert quote.total is not None
    with pytest.raises(NotAllowed, match="is the bound"):
        dataset.run(model, 20, offer=offer, max_price=quote.total - Decimal("0.000001"))
    for wrong in ("much", -1, float("nan"), "0.0000001"):
        with pytest.raises(UsageError, match="no amount"):
            dataset.run(model, 20, offer=offer, max_price=wrong)
    assert (market.balance, len(market.licenses()), scene.market.job_count()) == before


def test_a_run_buys_once_and_is_taken_up_again(scene: MarketNode, market: darkroom.Market, home: Home) -> None:
    """A run buys the license it needs and costs what the quote said; a second uses it; another program reads on."""
    dataset = market.dataset(1)
    model, offer = compiled(dataset, 8), offered(scene)
    quote, before = dataset.quote(model, 30, offer=offer), market.balance
    job = dataset.run(model, 30, offer=offer, max_price=quote.total)
    assert before - market.balance == quote.total
    same = dataset.run(model, 30, offer=offer, max_price=quote.total)  # a cell run twice, or a lost answer
    assert (same.number, same.gas, before - market.balance) == (job.number, job.gas, quote.total)
    assert (job.state, job.done) == ("open", False)
    assert [each.number for each in market.licenses()].count(job.license) == 1
    with pytest.raises(TryAgain, match="still open"):
        job.result(timeout=0, progress=False)
    settle(scene, job.number)
    again = darkroom.connect(home.root).job(job.number)
    result = again.result(timeout=10)
    assert (again.done, result.released, len(result)) == (True, "label", 30)
    frame = result.to_polars()
    assert result.to_pandas()["row"].tolist() == frame["row"].to_list() == list(range(30))
    assert result.labels().tolist() == frame["level"].to_list()
    assert len(result.intervals()) == 8
    assert result.half_widths.tolist() == [0.0]
    assert [each.number for each in market.jobs()][-1] == job.number
    audit = job.audit(progress=False, device="cpu")
    assert (audit.confirmed, audit.complete) == (True, True)
    assert len(audit.to_dicts()) > 10
    # an equal question costs no bits, so the same license answers it again
    held = dataset.quote(model, 30, license=job.license)
    assert (held.license, held.offer, held.price_license, held.bits) == (job.license, None, None, 0.0)
    other = dataset.run(model, 30, max_price=held.total, license=job.license)
    assert (other.license, other.number) == (job.license, job.number + 1)


def test_terms_are_chosen_for_the_buyer(scene: MarketNode, market: darkroom.Market) -> None:
    """A license under which it goes through comes first, then the cheapest offer; else the reasons are told."""
    dataset = market.dataset(1)
    model = compiled(dataset, 7)
    cheap = offered(scene, 1)
    chosen = dataset.quote(model, 20)
    assert chosen.ready
    assert chosen.license is not None or chosen.offer == cheap
    job = dataset.run(model, 20, offer=cheap, max_price=5)
    found = dataset.quote(compiled(dataset, 6), 20, license=job.license)
    assert not found.ready  # the license's three bits are promised to the open job
    assert "bits-license" in found.problems[0]
    with pytest.raises(NotAllowed, match="bits-license"):
        dataset.run(compiled(dataset, 6), 20, license=job.license, max_price=100)


def test_a_search_finds_what_the_chain_has(market: darkroom.Market, served: str, home: Home) -> None:
    """A node's index is asked, and datasets come from chain and store; without a node the error says what to do."""
    found = darkroom.connect(home.root, node=served).search("", rows_min=1, most=5)
    assert [each.number for each in found] == [each.number for each in market.datasets()]
    assert darkroom.connect(home.root, node=served).search("no such words") == []
    with pytest.raises(NotFound, match="No node runs in this home") as caught:
        market.search("cancer")
    assert "darkroom up" in caught.value.next_step


def test_a_dataset_is_looked_at_for_free(market: darkroom.Market) -> None:
    """Codebook, card and offers are read without an account."""
    dataset = market.dataset(1)
    assert list(dataset.codebook) == dataset.columns
    assert dataset.codebook.to_polars()["column"].to_list() == dataset.columns
    column = dataset.codebook[dataset.columns[0]]
    assert column.affine is not None
    codes = dataset.encode(sample(5))
    assert codes.shape == (5, len(dataset.columns))
    assert dataset.title in dataset.card
    assert all(each.dataset == 1 and each.price_license >= 0 for each in dataset.offers())


def test_a_home_that_is_not_set_up_says_so(tmp_path: Path, market: darkroom.Market) -> None:
    """The next step names a command; a role that is not there is told when its account is needed."""
    with pytest.raises(NotFound, match="not set up yet"):
        darkroom.connect(tmp_path / "nowhere")
    with pytest.raises(NotFound, match="There is no role 'stranger'"):
        _ = darkroom.connect(market._session.home.root, role="stranger").address
    with pytest.raises(NotFound):
        market.job(10_000)


def test_what_is_shown_is_short_and_public(scene: MarketNode, market: darkroom.Market) -> None:
    """Lines and tables of every object hold facts, escape what others wrote, and hold no secret of the role."""
    dataset, owner = market.dataset(1), market.owner
    model = compiled(dataset, 5)
    shown: list[Any] = [
        market, dataset, dataset.codebook, dataset.offers(), model, market.models(), dataset.quote(model, 20),
        market.job(scene.settled), market.jobs(), market.licenses(), owner, owner.revenue(), market.provider("owner"),
    ]  # fmt: skip
    texts = [text for each in shown for text in (repr(each), each._repr_html_())]
    assert all("<table" in each._repr_html_() or "Nothing here" in each._repr_html_() for each in shown)
    secrets = (
        PASSPHRASE,
        market._session.buyer.sealing_key().private.hex(),
        bytes(scene.stage.buyer._signer.key).hex(),
    )
    assert not [text for text in texts for secret in secrets if secret in text]
    assert all(len(repr(each)) < 4000 for each in shown)
    assert repr(dataset).startswith(f"Dataset(number=1, title={dataset.title!r}")


def test_what_others_wrote_is_no_markup(market: darkroom.Market) -> None:
    """A title with markup is shown as text in a notebook's tables."""
    dataset = market.dataset(1)
    card = dataset._opened.manifest.card.model_copy(update={"title": "<script>alert(1)</script>"})
    manifest = dataset._opened.manifest.model_copy(update={"card": card})
    opened = replace(dataset._opened, manifest=manifest)
    evil = darkroom.Dataset(market._session, opened)
    for text in (evil._repr_html_(), darkroom.Listing([evil])._repr_html_()):
        assert "<script>" not in text
        assert "&lt;script&gt;" in text
