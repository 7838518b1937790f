"""What is published: it agrees with itself, says nothing of the rows, and any fault in it is refused."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from app.protocol.data.croissant import POLICY_TERMS
from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.data.description import FileCheck
from app.protocol.data.manifest import Manifest, read_manifest, write_manifest
from app.protocol.data.table import check_codebook, check_table, data_root
from app.protocol.documents import MAX_DOCUMENT_BYTES, canonical, sha256
from app.protocol.errors import BadDocument, OutOfRange, TooLarge
from app.protocol.ids import Digest
from app.protocol.market.receipt import OutputPolicy
from app.storage.cid import digest_to_cid
from app.storage.folder import BlockStore
from fhe.keys.secret_keys import SecretKeys
from fhe.profile import EncryptionProfile
from ingestion.card import card_markdown
from ingestion.codes import encode, encode_bins
from ingestion.preview import preview, preview_csv
from ingestion.publish import PreparedTable, prepare
from ingestion.recipe import parse_recipe
from tests.ingestion.conftest import RECIPE


@pytest.fixture(scope="module")
def published(
    tmp_path_factory: pytest.TempPathFactory, secret: SecretKeys, profile: EncryptionProfile
) -> tuple[PreparedTable, BlockStore]:
    """A small table, published in two shards."""
    folder = tmp_path_factory.mktemp("published")
    rng = random.Random(4)
    rows = [{"size": rng.uniform(0, 51), "count": rng.randrange(10), "load": rng.gauss(0, 2)} for _ in range(700)]
    pl.DataFrame(rows).write_parquet(folder / "t.parquet")
    store = BlockStore(folder / "blocks")
    prepared = prepare(
        folder / "t.parquet",
        parse_recipe(RECIPE),
        secret,
        profile,
        store,
        epoch=1,
        published="2026-01-31",
        preview_rows=50,
        most_rows=512,
    )
    return prepared, store


@pytest.fixture
def manifest(published: tuple[PreparedTable, BlockStore]) -> Manifest:
    """Its manifest."""
    return published[0].manifest


def test_the_store_holds_what_was_prepared(
    published: tuple[PreparedTable, BlockStore], profile: EncryptionProfile
) -> None:
    """The manifest is found under its digest; files, preview and card are there with the lengths and hashes named."""
    prepared, store = published
    data = store.read(prepared.cid, limit=MAX_DOCUMENT_BYTES)
    assert prepared.cid == digest_to_cid(prepared.digest)
    manifest = read_manifest(data, prepared.digest)
    assert manifest == prepared.manifest
    assert manifest.digest == prepared.digest
    check_table(manifest.table, profile.polynomial_size)
    files = [file for shard in manifest.table.shards for file in shard.files]
    for file, check in zip(files, manifest.checks, strict=True):
        content = store.read(file.cid, limit=1 << 30)
        assert check == FileCheck(bytes=len(content), sha256=Digest(hashlib.sha256(content).hexdigest()))
    assert manifest.preview is not None
    sample = store.read(manifest.preview.cid, limit=1 << 20)
    assert sample == preview_csv(manifest.codebook, 50, 0)
    assert store.read(prepared.card_cid, limit=1 << 20).decode() == card_markdown(manifest)
    assert len(prepared.warnings) == 0


def test_required_croissant_properties(manifest: Manifest) -> None:
    """Every property that Croissant 1.1 requires of a dataset, file, record set and field is there."""
    document = json.loads(manifest.to_bytes())
    required = {"@context", "@type", "conformsTo", "description", "license", "name", "url", "creator", "datePublished"}
    assert required | {"distribution", "recordSet", "version", "keywords", "citeAs"} <= document.keys()
    assert document["@type"] == "sc:Dataset"
    assert document["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    for file in document["distribution"]:
        assert {"@id", "@type", "name", "contentUrl", "contentSize", "encodingFormat", "sha256"} == file.keys()
        assert file["contentUrl"].startswith("ipfs://b")
    identifiers = [file["@id"] for file in document["distribution"]]
    assert len(set(identifiers)) == len(identifiers) == 9
    (records,) = document["recordSet"]
    assert [field["name"] for field in records["field"]] == ["size", "count", "load"]
    assert [field["dataType"] for field in records["field"]] == ["sc:Float", "sc:Integer", "sc:Float"]
    assert {field["source"]["fileObject"]["@id"] for field in records["field"]} == {"preview.csv"}


def test_the_policy_is_stated_as_odrl(manifest: Manifest) -> None:
    """Every rule of the output policy is a constraint of the ODRL offer, with its value, and its digest is there."""
    offer = json.loads(manifest.to_bytes())["usageInfo"]
    assert offer["@type"] == ["sc:CreativeWork", "odrl:Offer"]
    assert offer["dr:policyDigest"] == manifest.policy.digest
    assert POLICY_TERMS.keys() == OutputPolicy.model_fields.keys() - {"kind"}
    keyed = manifest.policy.model_copy(update={"row_keys": 24})  # a later rule: left out where it says nothing
    for policy in (manifest.policy, keyed):
        offer = json.loads(manifest.model_copy(update={"policy": policy}).to_bytes())["usageInfo"]
        stated = {
            constraint["odrl:leftOperand"]["@id"]: constraint["odrl:rightOperand"]
            for constraint in offer["odrl:permission"]["odrl:constraint"]
        }
        values = json.loads(policy.to_bytes())
        assert stated == {POLICY_TERMS[rule][0]: value for rule, value in values.items() if rule != "kind"}


def test_nothing_published_holds_a_value(
    tmp_path: Path, secret: SecretKeys, profile: EncryptionProfile, store: BlockStore
) -> None:
    """With declared ranges, two tables of different values but equal shape have equal manifests but for ciphertext."""
    documents = []
    for place, name in ((1.25, "a"), (44.75, "b")):
        path = tmp_path / f"{name}.csv"
        pl.DataFrame({"size": [place] * 300, "count": [place // 5] * 300, "load": [place] * 300}).write_csv(path)
        prepared = prepare(path, parse_recipe(RECIPE), secret, profile, store, epoch=1, published="2026-01-31")
        document = json.loads(prepared.manifest.to_bytes())
        for part in ("distribution", "url"):
            del document[part]
        for shard in document["darkroom"]["table"]["shards"]:
            for file in shard["files"]:
                for key in ("cid", "seed", "root"):
                    del file[key]
        del document["darkroom"]["table"]["data_root"], document["darkroom"]["checks"]
        documents.append(document)
    assert documents[0] == documents[1]


def set_at(document: Any, path: str, value: Any) -> bytes:
    """Canonical bytes of a JSON document with the value at a dotted path replaced."""
    *parents, last = path.split(".")
    place = document
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place[key]
    place[int(last) if isinstance(place, list) else last] = value
    return canonical(document)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", "Another title"),
        ("description", "Free for all."),
        ("license", "https://example.org/other"),
        ("usageInfo.odrl:permission.odrl:constraint.0.odrl:rightOperand", ["lookup"]),
        ("usageInfo.dr:policyDigest", "0" * 64),
        ("distribution.0.contentUrl", "ipfs://bafkreicouv3sksjuzxb3rbb6rziy6duakk2aikegsmtqtz5rsuppjorxsa"),
        ("distribution.0.sha256", "0" * 64),
        ("recordSet.0.field.0.name", "count"),
        ("@context.sc", "https://example.org/"),
        ("extra", 1),
        ("darkroom.card.title", "Another title"),
        ("darkroom.card.extra", 1),
        ("darkroom.card.published", "yesterday"),
        ("darkroom.kind", "darkroom/table"),
        ("darkroom.policy.release", "score"),
        ("darkroom.policy.release", "everything"),
        ("darkroom.preview", None),
        ("darkroom.checks.0.bytes", 1),
        ("darkroom.checks.0.sha256", "0" * 63),
        ("darkroom.table.rows", 701),
        ("darkroom.table.rows", "700"),
        ("darkroom.table.epoch", 2.5),
        ("darkroom.table.data_root", "0" * 64),
        ("darkroom.table.shards.0.files.0.root", "0" * 64),
        ("darkroom.table.shards.0.files.0.cid", "bafkreicouv3sksjuzxb3rbb6rziy6duakk2aikegsmtqtz5rsuppjorxsa"),
        ("darkroom.table.codebook.columns.0.affine.step", 0.3),
        ("darkroom", []),
        ("darkroom", None),
    ],
)
def test_a_manifest_that_disagrees_with_itself_is_refused(manifest: Manifest, path: str, value: Any) -> None:
    """A change of one field, in what people read or in what evaluators compute with, is refused even with no digest."""
    changed = set_at(json.loads(manifest.to_bytes()), path, value)
    with pytest.raises(BadDocument):
        read_manifest(changed)
    with pytest.raises(BadDocument, match="not the manifest that was asked for"):
        read_manifest(changed, manifest.digest)


def flips(data: bytes) -> list[bytes]:
    """One bit flipped at sixty places over the whole document."""
    rng = random.Random(9)
    places = [rng.randrange(len(data)) for _ in range(60)]
    return [data[:p] + bytes((data[p] ^ 1 << rng.randrange(8),)) + data[p + 1 :] for p in places]


@pytest.mark.parametrize(("path", "value"), [("profile", "0" * 64), ("shards.0.files.0.seed", "0" * 32)])
def test_the_digest_binds_what_is_said_once(manifest: Manifest, path: str, value: str) -> None:
    """A profile or a seed is written in one place only, so it is the digest on chain that holds it."""
    changed = set_at(json.loads(manifest.to_bytes()), f"darkroom.table.{path}", value)
    assert read_manifest(changed).digest != manifest.digest
    with pytest.raises(BadDocument, match="not the manifest that was asked for"):
        read_manifest(changed, manifest.digest)


def test_damaged_manifests_are_refused(manifest: Manifest) -> None:
    """Flipped manifests are refused by the digest; cut, padded and reformatted ones without it too."""
    data = manifest.to_bytes()
    for wrong in flips(data):
        with pytest.raises(BadDocument, match="not the manifest that was asked for"):
            read_manifest(wrong, manifest.digest)
    damaged = [
        *(data[: len(data) * part // 10] for part in range(10)),
        data + b" ",
        b" " + data,
        data.replace(b'"', b"'"),
        json.dumps(json.loads(data), indent=1).encode(),
        b"\xef\xbb\xbf" + data,
        b"[" * 100_000,
        b"null",
        b"",
    ]
    for wrong in damaged:
        with pytest.raises(BadDocument):
            read_manifest(wrong, manifest.digest)
        with pytest.raises(BadDocument):
            read_manifest(wrong)
    with pytest.raises(TooLarge):
        read_manifest(data + b" " * MAX_DOCUMENT_BYTES)


def test_another_datasets_manifest_is_refused(manifest: Manifest) -> None:
    """A good manifest in another's place is refused by its digest."""
    other = write_manifest(manifest.model_copy(update={"card": manifest.card.model_copy(update={"title": "Other"})}))
    assert read_manifest(other).card.title == "Other"
    with pytest.raises(BadDocument, match="not the manifest that was asked for"):
        read_manifest(other, manifest.digest)


TableFault = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    "fault",
    [
        lambda table: table.update(rows=699),
        lambda table: table.update(rows=0),
        lambda table: table.update(epoch=-1),
        lambda table: table.update(shards=[]),
        lambda table: table["shards"].reverse(),
        lambda table: table["shards"][1].update(first_row=511),
        lambda table: table["shards"][1].update(rows=0),
        lambda table: table["shards"].append(table["shards"][1]),
        lambda table: table["shards"][0]["files"].pop(),
        lambda table: table["shards"][0]["files"].reverse(),
        lambda table: table["shards"][0].update(files=[]),
        lambda table: table["shards"][1]["files"].append(table["shards"][1]["files"][0]),
        lambda table: table["shards"][0]["files"][0].update(column="load"),
        lambda table: table["shards"][0]["files"][0].update(column="nowhere"),
        lambda table: table["shards"][0]["files"][2].update(encoding="bins"),
        lambda table: table["shards"][0]["files"][0].update(polys=1),
        lambda table: table["shards"][0]["files"][1].update(polys=13),
        lambda table: table["codebook"]["columns"].append(table["codebook"]["columns"][0]),
        lambda table: table["codebook"].update(columns=[]),
    ],
)
def test_tables_that_leave_rows_out_or_overlap_are_refused(manifest: Manifest, fault: TableFault) -> None:
    """Shards and files that do not hold every row once, in the codebook's order, are refused, data root or not."""
    value = json.loads(manifest.table.to_bytes())
    fault(value)
    table = type(manifest.table).model_validate_json(json.dumps(value))
    if any(shard.files for shard in table.shards):
        table = table.model_copy(update={"data_root": data_root(table.shards)})
    with pytest.raises(BadDocument):
        check_table(table)


def test_polynomials_must_fit_the_profile(manifest: Manifest) -> None:
    """With the profile's size at hand, files of too many or too few polynomials are refused."""
    check_table(manifest.table, 256)
    with pytest.raises(BadDocument, match="do not hold the same rows"):
        check_table(manifest.table, 128)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"affine": None, "bins": None}, "neither"),
        ({"affine": Affine(low=0.0, step=0.0, levels=4)}, "step"),
        ({"affine": Affine(low=0.0, step=-1.0, levels=4)}, "step"),
        ({"affine": Affine(low=1e308, step=1e307, levels=256)}, "step"),
        ({"affine": Affine(low=0.0, step=1.0, levels=1)}, "levels"),
        ({"affine": Affine(low=0.0, step=1.0, levels=1 << 20)}, "levels"),
        ({"bins": ()}, "edges"),
        ({"bins": tuple(float(n) for n in range(33))}, "edges"),
        ({"bins": (1.0, 1.0)}, "increase"),
        ({"bins": (2.0, 1.0)}, "increase"),
        ({"missing": "impute"}, "imputes"),
        ({"impute": 1.0}, "imputes"),
        ({"missing": "impute", "impute": 4.0}, "outside its own range"),
        ({"missing": "impute", "impute": 1e300, "affine": Affine(low=0.0, step=1e-300, levels=4)}, "outside its own"),
    ],
)
def test_codebooks_that_contradict_themselves_are_refused(changes: dict[str, Any], complaint: str) -> None:
    """Codes without levels, order or a value for their policy are refused by the column's name."""
    column = ColumnCode(name="c", dtype="real", affine=Affine(low=0.0, step=1.0, levels=4), declared=True)
    check_codebook(Codebook(columns=(column,)))
    with pytest.raises(BadDocument, match=f"'c'.*{complaint}"):
        check_codebook(Codebook(columns=(column.model_copy(update=changes),)))


def test_a_misfit_is_found_before_anything_is_kept(
    tmp_path: Path, secret: SecretKeys, profile: EncryptionProfile, store: BlockStore
) -> None:
    """A table outside its recipe's range is refused and leaves the store empty."""
    pl.DataFrame({"size": [52.0], "count": [1], "load": [0.0]}).write_csv(path := tmp_path / "t.csv")
    with pytest.raises(OutOfRange, match="'size' has values outside"):
        prepare(path, parse_recipe(RECIPE), secret, profile, store, epoch=1, published="2026-01-31")
    assert not list(store.blocks())


def test_previews_come_from_the_codebook_alone(manifest: Manifest) -> None:
    """The same codebook and seed draw the same rows; every drawn row fits the codebook and every level turns up."""
    book = manifest.codebook
    rows = preview(book, 5000, 3)
    assert rows.equals(preview(book, 5000, 3))
    assert not rows.equals(preview(book, 5000, 4))
    assert rows.columns == ["size", "count", "load"]
    assert rows["count"].dtype == pl.Int64
    assert set(encode(book, rows, ["count"])[:, 0]) == set(range(10))
    assert len(set(encode(book, rows, ["size"])[:, 0])) == 256
    assert set(encode_bins(book, rows, ["load"])[:, 0]) == {0, 1, 2, 3}


def test_the_card_says_what_a_buyer_must_know(manifest: Manifest) -> None:
    """Title, terms, policy, every column and the preview are in the card, and a cell cannot break the table."""
    card = card_markdown(manifest)
    for words in (
        "# Measurements",
        "https://example.org/terms",
        "at most 1 linear forms",
        "| size | real |",
        "declared",
    ):
        assert words in card
    column = manifest.codebook.columns[0].model_copy(update={"name": "a|b"})
    table = manifest.table.model_copy(update={"codebook": Codebook(columns=(column,))})
    assert "| a\\|b |" in card_markdown(manifest.model_copy(update={"table": table}))


@pytest.mark.parametrize(
    ("rule", "value"), [("score_step", 0.5), ("epsilon_micro_budget", 0), ("verify", "cheapest"), ("verify", "quorum")]
)
def test_what_was_published_under_old_rules_says_the_way(manifest: Manifest, rule: str, value: Any) -> None:
    """A manifest or policy of before bits were counted is refused with what stands in the rule's place."""
    document = json.loads(manifest.to_bytes())
    document["darkroom"]["policy"][rule] = value
    with pytest.raises(BadDocument, match=f"still says {rule}") as refused:
        read_manifest(canonical(document))
    assert "publish the policy again" in refused.value.next_step
    with pytest.raises(BadDocument, match=f"still says {rule}"):
        OutputPolicy.from_bytes(canonical(document["darkroom"]["policy"]))


def test_readers_need_no_polars() -> None:
    """The protocol's reading half, and the codes that buyers use, import neither polars nor Concrete."""
    code = (
        "import sys; import app.protocol.data.manifest, app.protocol.data.merkle, app.storage.folder, ingestion.codes;"
        "sys.exit(any(name.split('.')[0] in ('polars', 'concrete', 'torch') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_prepared_is_only_public_facts() -> None:
    """What publishing returns has no field for a key or a row."""
    told = {"manifest", "digest", "cid", "card_cid", "warnings", "kept"}
    assert {field.name for field in fields(PreparedTable)} == told


def test_digests_are_of_the_bytes(manifest: Manifest) -> None:
    """The manifest's digest is the SHA-256 of what is published."""
    assert manifest.digest == sha256(manifest.to_bytes())
