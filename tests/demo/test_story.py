"""What the demo promises: one JSON object, every row equal, every fact audited, and a home that goes on working."""

from __future__ import annotations

import json
import re
import shutil
import stat
from pathlib import Path

from app.demo import table as tables
from app.demo.stage import set_stage
from app.home.home import Home
from app.home.network import Network
from app.node.locks import only_node
from app.protocol.errors import LicenseExhausted, NotYourLicense, RowsOutsideDataset
from tests.demo.conftest import DemoHome, copy_home, darkroom

ROOT = Path(__file__).parents[2]


def test_one_object_on_stdout_and_nothing_else(world: DemoHome) -> None:
    """`demo --json` prints one JSON object on stdout and nothing beside it."""
    assert isinstance(json.loads(world.told.out), dict)
    assert world.told.out.count("\n") == 1


def test_every_label_is_the_clear_quantized_models(world: DemoHome) -> None:
    """Under the default policy both jobs release labels alone: those of Concrete ML's clear model, on every row."""
    linear, trees = world.story["jobs"]
    assert (linear["model"], linear["rows"], linear["equal_rows"]) == ("logistic-regression", 285, 285)
    assert trees["model"] == "xgb-classifier"
    assert trees["equal_rows"] == trees["rows"] > 0
    assert [(job["released"], job["micro_bits"]) for job in (linear, trees)] == [("label", 1_000_000)] * 2
    assert world.story["equal"]


def test_the_budget_is_public(world: DemoHome) -> None:
    """Anyone recounts what was told: two jobs of one bit each, of the 60 that the owner sells of a person."""
    report = world.run("audit", "--budget", str(world.story["dataset"]), "--json")
    assert report.code == 0, report.err
    assert (report.json["spent"], report.json["limit"], report.json["confirmed"]) == (2_000_000, 60_000_000, True)


def test_the_result_is_worth_buying(world: DemoHome) -> None:
    """The buyer's model is right on more than nine of ten rows that it never saw."""
    assert 0.9 < world.story["accuracy"] <= 1.0


def test_the_auditor_confirms_every_fact(world: DemoHome) -> None:
    """The auditor, without a key, confirms every fact of both jobs."""
    for job in world.story["jobs"]:
        assert job["audit"]["complete"]
        assert len(job["audit"]["checks"]) >= 10
        assert {check["status"] for check in job["audit"]["checks"]} == {"confirmed"}


def test_every_step_and_transaction_is_measured(world: DemoHome) -> None:
    """The object gives time for every step and gas for every transaction of the market."""
    assert all(step["seconds"] >= 0 for step in world.story["steps"])
    gas = world.story["gas"]
    for name in ("publish", "offer", "bond", "buy_license"):
        assert 21_000 < gas[name] < 1_000_000
    for kind in ("logistic-regression", "xgb-classifier"):
        for name in ("open", "draw", "commit 1", "commit 2", "reveal 1", "reveal 2", "release"):
            assert 21_000 < gas[f"{name} ({kind})"] < 1_000_000


def test_plaintext_stays_with_its_owner(world: DemoHome) -> None:
    """No value of the owner's table, and no secret key, is anywhere outside the owner's own folder."""
    secret = (world.home / "actors/owner/measurements.csv").read_text("utf-8").splitlines()[1:4]
    for path in world.home.rglob("*"):
        if path.is_file() and "actors/owner" not in str(path) and path.stat().st_size < 32 << 20:
            data = path.read_bytes()
            assert not any(row.encode() in data for row in secret), path
            assert b"darkroom/secret-keys" not in data, path


def test_folders_of_roles_are_private(world: DemoHome) -> None:
    """Each role's folder, and every key in it, can be read by its user alone."""
    for folder in (world.home / "actors").iterdir():
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("account.json", "passphrase", "keys/measurements/epoch-0001.key", "measurements.csv"):
        assert stat.S_IMODE((world.home / "actors/owner" / name).stat().st_mode) == 0o600


def test_every_role_can_be_driven_by_hand(world: DemoHome, tmp_path: Path) -> None:
    """After the demo, a license, a job, its execution, release, opening and audit work command by command."""
    world = DemoHome(copy_home(world.home, tmp_path / "home"), world.told)  # what it tells counts in the other's budget
    offer = world.run("dataset", "show", "1", "--json").json["offers"][0]["offer"]
    license = world.run("license", "buy", str(offer), "--json").json["license"]
    model = world.story["jobs"][0]["audit"]["checks"][2]["digest"]
    quote = world.run("model", "quote", model[:12], "--offer", str(offer), "--rows", "40", "--json").json
    assert quote["rows"] == 40
    assert quote["bootstraps"] == 0
    assert quote["total"] > 0
    assert (quote["allowed"], quote["micro_bits"]) == (True, 1_000_000)

    opened = world.run("job", "open", "--license", str(license), "--model", model, "--rows", "40", "--json")
    assert opened.code == 0, opened.err
    job = str(opened.json["job"])
    waiting = world.run("result", "open", job, "--json")
    assert (waiting.code, waiting.json["error"]["code"]) == (5, "try-again")

    for _ in range(3):
        for name in ("provider-1", "provider-2", "provider-3"):
            assert world.run("provider", "serve", "--once", "--as", name).code == 0
    served = world.run("custodian", "serve", "--once", "--json")
    assert served.code == 0, served.err
    assert world.run("job", "show", job, "--json").json["state"] == "settled"

    rows = world.run("result", "open", job, "--json").json["rows"]
    assert len(rows) == 40
    assert {row["prediction"] for row in rows} <= {0, 1}
    report = world.run("audit", job, "--json")
    assert report.code == 0
    assert report.json["complete"]

    again = world.run("custodian", "serve", "--once", "--json")
    assert again.code == 0
    assert again.json == []


def test_an_audit_runs_on_the_device_that_was_asked_for(world: DemoHome, tmp_path: Path) -> None:
    """On the CPU it confirms; on a GPU that is not there it ends with the reason, and accuses nobody."""
    (tmp_path / "cupy.py").write_text("raise ImportError\n", "utf-8")
    report = world.run("audit", "1", "--device", "cpu", "--json")
    assert (report.code, report.json["complete"]) == (0, True)
    refused = world.run("audit", "1", "--device", "cuda", "--json", env={"PYTHONPATH": str(tmp_path)})
    assert (refused.code, refused.json["error"]["code"]) == (5, "unavailable")
    assert "CuPy is not installed" in refused.json["error"]["message"]


def test_what_a_license_does_not_allow(world: DemoHome) -> None:
    """Someone else's license, rows outside the dataset, and more rows than are left are refused, and change nothing."""
    model = world.story["jobs"][0]["audit"]["checks"][2]["digest"]
    jobs = world.run("job", "list", "--json").out

    def refused(*words: str) -> tuple[int, str]:
        ran = world.run("job", "open", "--license", "1", "--model", model, "--json", *words)
        assert ran.json["error"]["next_step"]
        return ran.code, ran.json["error"]["code"]

    assert refused("--first-row", "280", "--rows", "10") == (3, RowsOutsideDataset.code)
    assert refused("--rows", "9900")[0] == 3
    assert refused("--rows", "9900")[1] in (LicenseExhausted.code, RowsOutsideDataset.code)
    stranger = world.run("license", "list", "--as", "provider-1", "--json").json
    assert stranger == []
    shutil.copytree(world.home / "actors/buyer/models", world.home / "actors/provider-1/models")
    assert refused("--as", "provider-1", "--rows", "10") == (3, NotYourLicense.code)
    assert world.run("job", "list", "--json").out == jobs


def test_a_wrong_passphrase_opens_nothing(world: DemoHome) -> None:
    """A wrong passphrase is told from damage, with exit code 4 and without naming the passphrase."""
    ran = world.run("result", "open", "1", "--json", env={"DARKROOM_PASSPHRASE": "open sesame 77"})
    assert (ran.code, ran.json["error"]["code"]) == (4, "wrong-passphrase")
    assert "sesame" not in ran.out + ran.err


def test_the_demo_can_be_told_again_in_the_same_home(world: DemoHome, tmp_path: Path) -> None:
    """A second telling publishes another dataset and ends as well as the first; a node's sample then adopts it.

    The persons are the same. So the first dataset is retired, and what it told of them counts in the second.
    """
    home = copy_home(world.home, tmp_path / "home")
    again = darkroom(home, "demo", "--json")
    assert again.code == 0, again.err[-2000:]
    assert again.json["equal"]
    assert again.json["audited"]
    first, second = world.story["dataset"], again.json["dataset"]
    assert second > first
    retired = {each.id: each.tombstoned for each in Network.open(Home(home)).market.datasets()}
    assert retired == {first: True, second: False}
    assert [path.parent.name for path in (home / "actors/owner/keys").rglob("*.key")] == ["measurements-2"]
    report = darkroom(home, "audit", "--budget", str(second), "--json").json
    assert (report["spent"], report["limit"], report["confirmed"]) == (4_000_000, 60_000_000, True)
    sample = darkroom(home, "node", "sample")
    assert sample.code == 0, sample.err[-2000:]
    market = Network.open(Home(home)).market
    assert (market.dataset_count(), len(list(market.offers(second)))) == (2, 2)


def test_the_demo_spares_what_others_published(world: DemoHome, tmp_path: Path) -> None:
    """Of the owner's datasets a telling retires only the demo's; where others took all the bits, it ends in words."""
    home = Home(copy_home(world.home, tmp_path / "home"))
    owner = set_stage(home).owner
    owner.retire(world.story["dataset"], 1)
    owner.new_epoch("mine", lookups=False)
    mine = owner.publish(
        owner.actor.path("measurements.csv"),
        tables.recipe().model_copy(update={"title": "Mine"}),
        keys="mine",
        encodings=("affine",),
    ).sent.value
    refused = darkroom(home.root, "demo", "--json")
    assert (refused.code, refused.json["error"]["code"]) == (3, "not-allowed")
    assert "DARKROOM_HOME" in refused.json["error"]["next_step"]
    assert not Network.open(home).market.dataset(mine).tombstoned
    assert owner.cabinet.names() == ["measurements", "mine"]


def test_one_demo_or_node_at_a_time(world: DemoHome) -> None:
    """Where a node runs, its agents would act in the demo's place: the demo refuses and changes nothing."""
    with only_node(Home(world.home)):
        refused = world.run("demo", "--json")
    assert (refused.code, refused.json["error"]["code"]) == (3, "not-allowed")
    assert "runs in" in refused.json["error"]["message"]


def test_the_documented_demo_is_this_one(world: DemoHome) -> None:
    """docs/demo.md tells the steps, audited facts, results and transactions of today's demo."""
    shown = (ROOT / "docs" / "demo.md").read_text("utf-8")
    story = world.story
    steps = re.findall(r"^│([^│\n]+?) +│ [\d.]+ +│ [\d, ]+│$", shown, re.MULTILINE)
    assert sorted(map(nameless, steps)) == sorted(nameless(f"{each['who']} {each['name']}") for each in story["steps"])
    claims = re.findall(r"^  confirmed: (.+)$", shown, re.MULTILINE)
    checks = [check["claim"] for job in story["jobs"] for check in job["audit"]["checks"]]
    assert sorted(map(nameless, claims)) == sorted(map(nameless, checks))
    paid = re.findall(r"^│([^│\n]+?) +│ [\d,]+ *│$", shown, re.MULTILINE)
    assert sorted(filter(certain, paid)) == sorted(filter(certain, story["gas"]))
    results = [(str(job["job"]), job["model"], str(job["rows"])) for job in story["jobs"]]
    assert re.findall(r"^│ +(\d+) │ (\S+) +│ +(\d+) │ [\d.]+ +│", shown, re.MULTILINE) == results


def certain(transaction: str) -> bool:
    """Whether every telling has this transaction: who was never drawn has nothing to withdraw."""
    return not transaction.startswith("withdraw provider")


def nameless(text: str) -> str:
    """A text without the addresses of accounts, which are new in each telling."""
    return re.sub(r"0x[0-9A-Fa-f]+", "0x", text)
