"""The programs of examples/, each run as it stands, together tell one whole story on one real market."""

from __future__ import annotations

import re
import runpy
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app.home.home import Home
from app.home.network import Network
from app.home.setup import set_up

EXAMPLES = Path(__file__).parents[2] / "examples"
PROVIDERS = ("provider-1", "provider-2", "provider-3")
ROUNDS = 40  # of everybody's work until the buyer has its result


def program(name: str) -> dict[str, Any]:
    """What a program defines."""
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


def readme() -> str:
    """The program that README.md shows."""
    text = (EXAMPLES.parent / "README.md").read_text("utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return str(block)


def both_buyers(buyer: Callable[[], None]) -> None:
    """The example's, then README.md's."""
    buyer()
    exec(readme(), {})  # noqa: S102 - our own


@pytest.mark.filterwarnings("ignore:scipy.optimize:DeprecationWarning")  # what scikit-learn's solver asks of it
def test_the_examples_tell_one_story(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Publish, bond, order, compute, release, open, audit, take up again, look at it in a notebook: all by examples."""
    home = Home(tmp_path / "home")
    monkeypatch.setenv("DARKROOM_HOME", str(home.root))
    set_up(home)
    owner, provider, buyer, auditor = (program(name)["main"] for name in ("owner", "provider", "buyer", "auditor"))
    owner()
    assert "Only the predicted label of a row is released" in capsys.readouterr().out
    for role in PROVIDERS:
        provider(role)
    with ThreadPoolExecutor(1) as pool:
        bought = pool.submit(both_buyers, buyer)
        market = Network.open(home).market
        while not market.job_count() and not bought.done():
            time.sleep(0.2)  # it compiles its model
        for _ in range(ROUNDS):
            for role in PROVIDERS:
                provider(role)
            owner()
            if bought.done():
                break
        bought.result(timeout=60)
    told = capsys.readouterr().out
    assert "Result(job=1, released='label', rows=285" in told
    assert "True" in told.splitlines(), "README.md's program ends with its audit"
    assert "Revenue(total=6, claimable=0, offer_1=6)" in told
    buyer(1)
    assert "job 1 is settled" in capsys.readouterr().out
    assert auditor(1) == 0
    assert "wrong=0, open=0" in capsys.readouterr().out
    seen = runpy.run_path(str(EXAMPLES / "notebook.py"), run_name="__main__")
    assert (seen["quote"].ready, len(seen["frame"]), seen["audit"].complete) == (True, 285, True)
    theirs = seen["table"].data[::2]
    clear = seen["fitted"].predict(seen["dataset"].encode(theirs))
    assert (seen["result"].labels() == clear).all()


def test_every_example_is_run() -> None:
    """There are five, and the story runs each."""
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == {"auditor", "buyer", "notebook", "owner", "provider"}
