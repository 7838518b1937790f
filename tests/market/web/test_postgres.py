"""The API on a real PostgreSQL: the same answers as on SQLite, and signing in, tokens, roles and live streams."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from app.market.db.database import Database
from app.market.indexer.indexer import Indexer
from app.protocol.data.manifest import write_manifest
from tests.market.web import test_routes as routes
from tests.market.web import test_sign_in as sign_in
from tests.market.web import test_stream as stream
from tests.support import postgres
from tests.support.documents import manifest, terms
from tests.support.market import BITS, HOUR, digest
from tests.support.web import ApiClient, MarketNode, api_client, build_node

pytestmark = pytest.mark.postgres

# Whole behaviours of the API, once more; `scene`, and all that stands on it, is PostgreSQL's in this module.
people = routes.people
wallet = sign_in.wallet
test_each_role_gets_what_it_may = routes.test_each_role_gets_what_it_may
test_a_session_writes_only_with_its_csrf_token = routes.test_a_session_writes_only_with_its_csrf_token
test_a_token_that_is_none_opens_nothing = routes.test_a_token_that_is_none_opens_nothing
test_signing_in_and_out = sign_in.test_signing_in_and_out
test_a_sign_in_works_once = sign_in.test_a_sign_in_works_once
test_a_failed_signature_uses_the_nonce_up = sign_in.test_a_failed_signature_uses_the_nonce_up
test_five_minutes_are_all = sign_in.test_five_minutes_are_all
test_a_contract_account_signs_in = sign_in.test_a_contract_account_signs_in
test_a_job_is_followed_as_it_happens = stream.test_a_job_is_followed_as_it_happens
test_a_broken_stream_goes_on_where_it_was = stream.test_a_broken_stream_goes_on_where_it_was
test_the_whole_market_is_followed_from_now_on = stream.test_the_whole_market_is_followed_from_now_on
test_streams_are_bounded = stream.test_streams_are_bounded
test_a_client_that_goes_leaves_no_stream = stream.test_a_client_that_goes_leaves_no_stream

TITLES = ("Ärzte", "apfel", "Zebra", "äpfel", "100 % sure_thing", "a'quote\"")
REQUEST = re.compile(r"urn:darkroom:request:\w+")

# Each list with filters and orders in which databases could differ: text, letters, empty values, large numbers.
LISTS: dict[str, list[dict[str, Any]]] = {
    "/v1/datasets": [
        *({"sort": order} for order in ("newest", "title", "price", "rows", "columns", "jobs")),
        {"text": "clinic gr"},
        {"text": "ÄPF"},
        {"text": "%_\\ '\""},
        {"rows_min": 1, "columns_max": 1000, "price_max": 10**30, "classes": ["linear"], "offered": True},
        {"releases": ["label", "score"], "available": True, "automatic": True},
        {"rows_min": (1 << 63) - 1},
    ],
    "/v1/jobs": [{}, {"state": ["settled", "refused"]}, {"dataset": 1}, {"buyer": "buyer"}, {"provider": "provider"}],
    "/v1/offers": [{}, {"dataset": 1}, {"active": True}],
    "/v1/licenses": [{}, {"buyer": "buyer"}],
    "/v1/payments": [{}, {"account": "buyer"}],
    "/v1/providers": [{}],
}
ONE = (
    "/v1/datasets/1", "/v1/datasets/1/croissant", "/v1/datasets/1/versions", "/v1/datasets/1/circuits",
    "/v1/offers/1", "/v1/licenses/1",
    "/v1/jobs/{settled}", "/v1/jobs/{settled}/facts", "/v1/jobs/{settled}/receipts", "/v1/jobs/{settled}/decision",
    "/v1/jobs/{settled}/result", "/v1/jobs/{settled}/events?seconds=0", "/v1/jobs/{refused}", "/v1/jobs/{computed}",
    "/v1/accounts/{owner}/console", "/v1/accounts/{buyer}", "/v1/providers/{provider}", "/v1/network", "/v1/ready",
    "/v1/datasets/99", "/v1/jobs/99999", "/v1/datasets?after=x", "/v1/jobs?limit=0",
)  # fmt: skip


@dataclass
class Twins:
    """One market, and its index in both databases."""

    postgres: MarketNode
    sqlite: MarketNode


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """A market of its own, with more datasets than one page holds."""
    sqlite = build_node(tmp_path_factory.mktemp("twins"))
    owner = sqlite.stage.owner
    for number, title in enumerate(TITLES):
        made = manifest(
            title, rows=100 * (number + 1), columns=("age", "größe")[: 1 + number % 2], keywords=("clinic",)
        )
        sqlite.store.put(write_manifest(made))
        dataset = sqlite.market.publish_dataset(owner, **terms(made)).value
        sqlite.store.put(made.policy.to_bytes())
        sqlite.market.create_offer(
            owner, dataset, price_license=10 ** (4 * number), price_job=1, price_row=1, max_jobs=9, max_rows=9,
            duration=HOUR, policy=made.policy.digest, **BITS,
        )  # fmt: skip
    sqlite.market.publish_dataset(
        owner, manifest=digest("in no store"), data_root=digest("x"), profile=digest("p"), rows=7
    )
    sqlite.indexer.sync()
    with postgres.started() as server:
        database = Database(server.new_database())
        indexer = Indexer(sqlite.market, sqlite.store, database)
        indexer.sync()
        yield Twins(replace(sqlite, database=database, indexer=indexer), sqlite)
        database.close()
    sqlite.database.close()
    sqlite.chain.close()


@pytest.fixture(scope="module")
def scene(twins: Twins) -> MarketNode:
    """The node on PostgreSQL."""
    return twins.postgres


def pages(browser: ApiClient, path: str, query: dict[str, Any]) -> list[Any]:
    """All pages of a list, two entries each, as they came."""
    found: list[Any] = []
    after: str | None = None
    while not found or after:
        answer = browser.client.get(path, params=query | {"limit": 2} | ({"after": after} if after else {}))
        found.append((answer.status_code, answer.json()))
        after = answer.json().get("next")
        assert len(found) < 50
    return found


def test_it_answers_as_on_sqlite(twins: Twins) -> None:
    """Every list, page by page in every order, and every document is the same from either database."""
    kept, there = twins.sqlite, twins.postgres
    kept.indexer.sync()
    there.indexer.sync()
    providers = kept.market.job(kept.settled).executions
    who = {"owner": kept.stage.owner.address, "buyer": kept.stage.buyer.address, "provider": providers[0].provider}
    names = who | {"settled": kept.settled, "refused": kept.refused, "computed": kept.computed}
    with api_client(kept) as sqlite, api_client(there) as server:
        several = 0
        for path, queries in LISTS.items():
            for query in queries:
                asked = {
                    name: who.get(value, value) if isinstance(value, str) else value for name, value in query.items()
                }
                found = pages(sqlite, path, asked)
                assert pages(server, path, asked) == found, (path, asked)
                assert found[0][0] == 200, (path, asked, found)
                several += len(found) > 1
        assert several > 10
        (found,) = pages(server, "/v1/datasets", {"text": "ÄPF"})
        assert [each["title"] for each in found[1]["items"]] == ["äpfel"]
        for path in ONE:
            answers = [each.client.get(path.format_map(names)) for each in (sqlite, server)]
            said = [(answer.status_code, REQUEST.sub("", answer.text)) for answer in answers]
            assert said[0] == said[1], path
