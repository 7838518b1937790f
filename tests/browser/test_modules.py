"""The pages' modules against the project's own Python: the same bytes, and only pinned names."""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page, expect

from app.chain.wallet.account import Account
from app.client.models import Model, ModelCard
from app.client.units import columns_in_units
from app.files.sealed import MIN_WORK, open_sealed, seal
from app.market.web.pages.assets import COMMENT, FRONTEND, Assets, served
from app.protocol.documents import canonical
from app.protocol.errors import WrongPassphrase
from app.protocol.ids import Digest
from app.seal.result import Result, ResultHeader
from app.storage.content import file_cid
from app.storage.unixfs import LEAF_BYTES, FileBuilder
from fhe.circuit.circuit import Readout
from fhe.compile.decoder import Decoder, Labels
from tests.browser.accessibility import MISSHAPEN, NARROW
from tests.browser.acting import follow, order
from tests.browser.conftest import Arrive
from tests.support.web import MarketNode

ROOT = Path(__file__).parents[2]
ASSETS = Assets()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(1 - 2**53, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@pytest.fixture
def page(arrive: Arrive) -> Page:
    """A page to import modules in."""
    return arrive().page("/owner")


def run(page: Page, module: str, program: str, given: Any = None) -> Any:
    """Evaluate `program`, a function of (module, given), in the page."""
    folder = str(page.locator('link[rel="stylesheet"]').get_attribute("href")).rpartition("/")[0]
    return page.evaluate(f"async given => ({program})(await import('{folder}/{module}'), given)", given)


@pytest.mark.chromium
def test_canonical_json_is_the_protocols(page: Page) -> None:
    """Any JSON value has the same canonical bytes in the page and in Python."""

    @settings(max_examples=60)
    @given(st.lists(JSON, min_size=1, max_size=20))
    def same(values: list[Any]) -> None:
        texts = run(page, "canonical.js", "(it, texts) => texts.map(text => it.canonicalText(JSON.parse(text)))",
                    [json.dumps(value) for value in values])  # fmt: skip
        assert [text.encode() for text in texts] == [canonical(value) for value in values]

    same()


@pytest.mark.chromium
def test_identifiers_are_the_stores(page: Page) -> None:
    """A digest's CID is the one that the store gives its bytes."""
    for data in (b"", b"x", bytes(1000)):
        digest = hashlib.sha256(data).hexdigest()
        assert run(page, "bytes.js", "(it, digest) => it.cidOf(digest)", digest) == file_cid(data)


@pytest.mark.chromium
def test_identifiers_of_long_files_are_the_stores(page: Page) -> None:
    """A file's CID is that of every store, whatever its length: one leaf, or a node of leaves."""
    program = """async (it, size) => {
        const bytes = new Uint8Array(size);
        for (let at = 0; at < size; at += 4099) bytes[at] = at;
        return it.fileCid(bytes); }"""
    for size in (0, 1, LEAF_BYTES, LEAF_BYTES + 1, 3 * LEAF_BYTES, 130 * LEAF_BYTES + 5):
        data = bytearray(size)
        for at in range(0, size, 4099):
            data[at] = at & 255
        assert run(page, "unixfs.js", program, size) == file_cid(data), size


@pytest.mark.chromium
def test_identifiers_of_very_long_files_are_the_stores(page: Page) -> None:
    """More leaves than one node names make a node of nodes, as in the store."""
    builder, leaf = FileBuilder(lambda _cid, _block: None), bytes(LEAF_BYTES)
    for _ in range(1024):
        builder.leaf(leaf)
    builder.leaf(b"end")
    program = """(it, [whole, last]) => it.treeCid([
        ...Array.from({length: 1024}, () => ({digest: whole, size: it.LEAF})), {digest: last, size: 3}])"""
    leaves = [hashlib.sha256(block).hexdigest() for block in (leaf, b"end")]
    assert run(page, "unixfs.js", program, leaves) == builder.finish().text


@pytest.mark.chromium
def test_numbers_of_events_are_hexadecimal(page: Page) -> None:
    """A word of an event's data is the number that the contract put there, whatever digits it has."""
    for number in (0, 9, 13, 16, 2**256 - 1):
        assert int(run(page, "chain.js", "(it, word) => String(it.uint(word))", f"{number:064x}")) == number


@pytest.mark.chromium
def test_recovery_files_pass_both_ways(page: Page) -> None:
    """What the page seals the command opens, and the other way round; a wrong passphrase opens nothing."""
    sealed = run(
        page, "sealed-file.js", "async (it) => Array.from(await it.seal(new Uint8Array([1, 2, 3]), 'prüfung', 'a/b'))"
    )
    assert open_sealed(bytes(sealed), "prüfung", "a/b") == b"\1\2\3"
    with pytest.raises(WrongPassphrase):
        open_sealed(bytes(sealed), "pruefung", "a/b")
    ours = list(seal(b"secret", "pass", "a/b", work=MIN_WORK))
    opening = "async (it, [file, word]) => Array.from(await it.openSealed(new Uint8Array(file), word, 'a/b'))"
    assert bytes(run(page, "sealed-file.js", opening, [ours, "pass"])) == b"secret"
    refused = "async (it, [file, word]) => it.openSealed(new Uint8Array(file), word, 'a/b').catch(error => error.code)"
    assert run(page, "sealed-file.js", refused, [ours, "other"]) == "wrong-passphrase"
    assert run(page, "sealed-file.js", refused, [[*ours[:80], ours[80] ^ 1, *ours[81:]], "pass"]) == "bad-key"


@pytest.mark.chromium
def test_parquet_is_read_by_polars(page: Page) -> None:
    """Any number of columns of 64-bit integers, and texts, come back as they were."""
    made = run(
        page,
        "parquet.js",
        """it => Array.from(it.parquet(Array.from({length: 20}, (_, at) => ({
        name: `c${at} ü`, values: [0n, -1n, 2n ** 62n, -(2n ** 63n), BigInt(at)] })).concat([
        { name: "row_key", values: ["a", "ключ", "", "x,y", "z"] }])))""",
    )
    frame = pl.read_parquet(io.BytesIO(bytes(made)))
    assert frame.shape == (5, 21)
    assert frame["row_key"].to_list() == ["a", "ключ", "", "x,y", "z"]
    assert frame["c7 ü"].to_list() == [0, -1, 2**62, -(2**63), 7]


@pytest.mark.chromium
def test_histograms_count_every_value_once(page: Page) -> None:
    """Bars cover all values, in order, however large they are."""
    values = [-(2**62), -5, -5, 0, 3, 2**62]
    program = "(it, values) => it.histogram(values.map(BigInt)).map(bar => [String(bar.from), bar.count])"
    bars = run(page, "chart.js", program, [str(value) for value in values])
    assert sum(count for _, count in bars) == len(values)
    assert len(bars) <= 32
    assert [int(start) for start, _ in bars] == sorted(int(start) for start, _ in bars)


@pytest.mark.chromium
def test_a_result_is_summed_up_as_numpy_does(page: Page) -> None:
    """Least, middle, mean and greatest of scores; rows of each class, the most first, under their names."""
    scores = [5, -3, 2**40, 0, 0, 7]
    program = "(it, values) => Object.values(it.spread(values.map(BigInt))).map(Number)"
    assert run(page, "summary.js", program, [str(score) for score in scores]) == [
        min(scores), sorted(scores)[2], np.mean(scores), max(scores),
    ]  # fmt: skip
    program = "(it, classes) => it.classCounts(classes.map(BigInt), ['no', 'yes'])"
    assert run(page, "summary.js", program, [1, 0, 1, 2, 1]) == [
        {"name": "yes", "count": 3, "share": 0.6},
        {"name": "no", "count": 1, "share": 0.2},
        {"name": "class 2", "count": 1, "share": 0.2},
    ]


@pytest.mark.chromium
def test_a_card_that_was_read_once_names_the_classes(page: Page) -> None:
    """The browser keeps it by its circuit; a damaged one names nothing, and fails nothing."""
    decoder = Decoder(
        model="LogisticRegression", circuit=Digest("ab" * 32), scale=0.01, zero_points=(0,), centre=(0,),
        link="sigmoid", labels=Labels(type="str", values=("no", "yes")),
    )  # fmt: skip
    card = ModelCard(decoder=decoder, features=("c0",)).to_bytes().decode()
    program = """(it, [circuit, card]) => {
        localStorage.setItem(`darkroom.card.${circuit}`, card);
        return [it.keptNames(circuit), it.keptNames("cd".repeat(32))]; }"""
    assert run(page, "units.js", program, [decoder.circuit, card]) == [["no", "yes"], []]
    assert run(page, "units.js", program, [decoder.circuit, card[1:]]) == [[], []]


@pytest.mark.chromium
@pytest.mark.parametrize("wide", [NARROW, 1440])
def test_a_drawing_s_words_have_one_size(arrive: Arrive, wide: int) -> None:
    """A chart is drawn as wide as its page, so that its words are neither tiny on a phone nor huge beside it."""
    page = arrive(viewport={"width": wide, "height": 800}).page("/owner")
    program = """it => document.querySelector("main").append(
        it.chart("score", Array.from({length: 90}, (_, at) => BigInt(at * at)), [], 400n))"""
    run(page, "chart.js", program)
    assert page.locator("svg.chart text").count() == 3
    assert page.evaluate(MISSHAPEN) == []
    box = page.locator("svg.chart").bounding_box()
    assert box is not None
    assert box["height"] > 200


@pytest.mark.chromium
def test_a_threshold_is_drawn_where_it_is(page: Page) -> None:
    """The line stands between the bars of the values below and above it; one outside of all values is not drawn."""
    program = """(it, at) => {
        const drawn = it.chart("score", [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n], [], BigInt(at));
        const line = drawn.querySelector("line.interval");
        return line && Number(line.getAttribute("x1")) / drawn.querySelector("svg").viewBox.baseVal.width; }"""
    assert run(page, "chart.js", program, 4) == 0.5
    assert run(page, "chart.js", program, 0) == 0
    assert run(page, "chart.js", program, 9) is None
    program = """it => Array.from(it.chart("label", [0n, 1n], ["no", "yes"]).querySelectorAll("text"),
        each => each.textContent)"""
    assert run(page, "chart.js", program) == ["1 row", "no", "yes"]


@pytest.mark.chromium
def test_the_demo_wallet_signs_what_others_verify(page: Page) -> None:
    """Its EIP-191 signature is one of its address, of bytes in hexadecimal as of plain text."""
    from app.chain.wallet.account import text_signer

    signed = run(
        page,
        "demo-wallet.js",
        """async it => {
        const agree = setInterval(() => {
            const buttons = [...document.querySelectorAll('dialog button')];
            buttons.find(each => each.textContent === 'Sign')?.click();
        }, 20);
        const [account] = await it.provider.request({ method: 'eth_requestAccounts' });
        const sign = text => it.provider.request({ method: 'personal_sign', params: [text, account] });
        const signed = [account, await sign('0x68656c6c6f'), await sign('hello')];
        clearInterval(agree);
        return signed; }""",
    )
    assert text_signer("hello", signed[1]) == signed[0]
    assert signed[2] == signed[1]
    assert Account.generate().address != signed[0]


@pytest.mark.chromium
def test_a_job_page_says_when_the_chain_took_blocks_back(arrive: Arrive, scene: MarketNode) -> None:
    """A reorganisation is told, and what is shown is loaded again."""
    page = arrive().context.new_page()
    stream = "retry: 60000\n\nevent: reorganised\ndata: {}\n\n"
    page.route("**/v1/jobs/*/events", lambda route: route.fulfill(body=stream, content_type="text/event-stream"))
    follow(page, f"/jobs/{order(scene, scene.stage.buyer, scene.license)}")  # other tests may have ended older jobs
    expect(page.get_by_text("The chain took back some blocks").first).to_be_visible()


@pytest.mark.parametrize("folder", ["frontend/static/vendor", "tests/browser/vendor"])
def test_vendored_files_are_what_was_vendored(folder: str) -> None:
    """Each vendored file has the recorded SHA-256, its version in its name, and nothing lies beside them unrecorded."""
    root = ROOT / folder
    recorded = json.loads((root / "vendored.json").read_text("utf-8"))
    known = {name: digest for each in recorded for name, digest in each["files"].items()}
    found = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.suffix in (".js", ".woff2")}
    assert found == set(known)
    for each in recorded:
        assert each["license"]
        assert all(each["version"] in name for name in each["files"])
    assert {name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in known} == known


def test_a_library_is_served_without_its_comments_and_with_all_its_code() -> None:
    """What goes is whole lines of comments outside of any text, whose notice of the license stays; ours are whole."""
    vendored = json.loads((FRONTEND / "static/vendor/vendored.json").read_text("utf-8"))
    for name in (f"vendor/{name}" for each in vendored for name in each["files"] if name.endswith(".js")):
        whole, sent = (
            (FRONTEND / "static" / name).read_text("utf-8"),
            served(name, (FRONTEND / "static" / name).read_bytes()),
        )
        for removed in COMMENT.finditer(whole):
            inside = removed[0].strip()
            assert inside.startswith("//") or (inside.endswith("*/") and inside.count("*/") == 1), name
        # a line that opened a text of several lines would stay, with its one quote
        assert not [line for line in sent.decode().splitlines() if not name.endswith(".min.js") and line.count("`") % 2]
        assert sent.decode().splitlines() == COMMENT.sub("", whole).splitlines()
        assert ("/*!" in whole) == (b"/*!" in sent), name
    for path in (FRONTEND / "static").glob("*.js"):
        assert served(path.name, path.read_bytes()) == path.read_bytes()


def test_no_page_has_inline_script_or_style() -> None:
    """Templates hold no script text, style or handler, and modules never build markup from text or evaluate any."""
    for path in (FRONTEND / "templates").glob("*.html"):
        text = path.read_text("utf-8")
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", text), path.name
        assert all("integrity=" in tag for tag in re.findall(r"<script[^>]*>", text)), path.name
    for path in (FRONTEND / "static").glob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", path.read_text("utf-8")
        )


def test_every_import_is_known_beforehand() -> None:
    """A page names, with its hash, every module that its scripts can reach."""
    reached = ASSETS.modules(["result.js", "wallet-page.js", "new-job.js"])
    assert {"unseal.js", "parquet.js", "demo-wallet.js", "vendor/noble-hashes-2.4.0/scrypt.js"} <= set(reached)
    assert all((FRONTEND / "static" / name).is_file() for name in reached)


def cards() -> list[tuple[Decoder, Readout, str, int]]:
    """(what the integers mean, how they are read, what is released, rows that a value stands for)."""
    base: dict[str, Any] = {"model": "Model", "circuit": "0" * 64, "scale": 0.0125, "centre": (0,), "shift": 0.5}
    two = Labels(type="str", values=("no", "yes"))
    three = Labels(type="int", values=("1", "2", "30"))
    one, value = base | {"zero_points": (3,)}, Readout("value")
    several = base | {"zero_points": (3, -7, 0), "centre": (0, 0, 0)}
    knots = ((-1.0, 0.0), (0.0, 2.0), (1.0, 3.0))
    return [
        (Decoder(**one, link="identity", labels=None), value, "score", 1),
        (Decoder(**one, link="exp", labels=None), value, "score", 1),
        (Decoder(**one, link="table", labels=None, knots=knots), value, "score", 1),
        (Decoder(**one, link="sigmoid", labels=two, threshold=0.25), value, "score", 1),
        (Decoder(**one, link="share", labels=two), value, "score", 1),
        (Decoder(**several, link="softmax", labels=three), value, "score", 1),
        (Decoder(**several, link="one-vs-rest", labels=three), value, "score", 1),
        (Decoder(**several, link="identity", labels=three, probabilities=False), value, "score", 1),
        (Decoder(**one, link="identity", labels=None), value, "aggregate", 40),
        (Decoder(**one, link="sigmoid", labels=two), Readout("threshold", at=3), "label", 1),
        (Decoder(**one, link="sigmoid", labels=two), Readout("cuts", cuts=(-60, 4, 90)), "label", 1),
        (Decoder(**one, link="exp", labels=None), Readout("cuts", cuts=(-60, 4, 90)), "label", 1),
    ]


@pytest.mark.chromium
@pytest.mark.parametrize("at", range(12))
def test_a_page_reads_a_result_in_the_units_that_the_client_does(page: Page, at: int) -> None:
    """Predictions, probabilities, scores, margins, means and levels of a model's card are the same in both."""
    decoder, readout, kind, group = cards()[at]
    outputs = 1 if kind == "label" else len(decoder.zero_points)
    random = np.random.default_rng(at)
    values = random.integers(-200, 200, (outputs, 1 if kind == "aggregate" else 30))
    if kind == "label":
        values %= readout.labels(1)
    fields = {
        "released": kind, "outputs": tuple(f"y{n}" for n in range(outputs)), "first_row": 7, "rows": values.shape[1],
        "group": group, "levels": 0, "lows": (), "highs": (), "noise_scale_milli": 0,
    }  # fmt: skip
    header = ResultHeader.model_validate(fields)
    circuit = SimpleNamespace(readout=readout, outputs=header.outputs)
    model = Model("0" * 64, ModelCard(decoder=decoder, features=()), circuit, b"")  # type: ignore[arg-type]
    wanted = columns_in_units(Result(header, values), model)
    given = {
        "header": header.model_dump(mode="json"), "values": values.tolist(),
        "decoder": json.loads(decoder.to_bytes()), "readout": {"kind": readout.kind, "cuts": list(readout.cuts)},
    }  # fmt: skip
    program = """(it, { header, values, decoder, readout }) =>
        it.inUnits({ header, values: values.map(each => BigInt64Array.from(each.map(BigInt))) }, decoder, readout)"""
    rows = run(page, "units.js", program, given)
    assert len(rows) == header.rows
    for name, column in wanted.items():
        shown = name + "_0" if name == "mean_score" else name
        for row, value in zip(rows, column.tolist(), strict=True):
            if isinstance(value, float) and not math.isnan(value):
                assert row[shown] == pytest.approx(value, rel=1e-9, abs=1e-12), name
            else:
                assert (row[shown] is None) == (isinstance(value, float)), name
                assert row[shown] is None or str(row[shown]) == str(value), name
