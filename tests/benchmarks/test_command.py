"""The benchmark command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import benchmarks
from benchmarks.__main__ import main, names

MODULE = '''"""Counts."""

import numpy as np

def run(progress):
    progress(1, 2)
    print("a stray line")
    return {"us_per_row": np.float64(1.5), "rows": 3, "note": "[bold]kept[/]"}
'''


@pytest.fixture
def counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A benchmark of one's own, in a folder beside the project's."""
    (tmp_path / "counting_here.py").write_text(MODULE)
    monkeypatch.setattr(benchmarks, "__path__", [*benchmarks.__path__, str(tmp_path)])
    return "counting_here"


def test_json_is_the_last_line_of_stdout(counting: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a library prints before, a reader of the last line gets one object with figures and machine."""
    assert main([counting, "--json"]) == 0
    said = capsys.readouterr()
    assert f"{counting}: 50 % after" in said.err  # a long run in the background tells how far it is
    figures = json.loads(said.out.splitlines()[-1])
    assert (figures["us_per_row"], figures["rows"]) == (1.5, 3)
    assert {"cpu", "cores", "commit", "python"} <= figures["machine"].keys()


def test_people_get_a_table(counting: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json the figures are drawn, and text that looks like markup stays as it is."""
    assert main([counting]) == 0
    drawn = capsys.readouterr().out
    assert "us_per_row" in drawn
    assert "[bold]kept[/]" in drawn


def test_a_part_is_measured_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a benchmark has parts; another name, or one where there are none, ends with code 2 and what there is."""
    (tmp_path / "parted.py").write_text(
        "PARTS = {'one': 1, 'two': 2}\n\ndef run(progress, part=''):\n    return {'asked': part or 'all'}\n"
    )
    (tmp_path / "whole.py").write_text(MODULE)
    monkeypatch.setattr(benchmarks, "__path__", [*benchmarks.__path__, str(tmp_path)])
    assert main(["parted", "--json"]) == main(["parted", "--part", "two", "--json"]) == 0
    first, second = (json.loads(line)["asked"] for line in capsys.readouterr().out.splitlines())
    assert (first, second) == ("all", "two")
    assert main(["parted", "--part", "three"]) == main(["whole", "--part", "one"]) == 2
    refused = capsys.readouterr()
    assert "one, two" in refused.err
    assert "no parts" in refused.err
    assert not refused.out


@pytest.mark.parametrize("words", [["no-such"], [], ["__main__"], ["../x"], ["machine"]])
def test_an_unknown_name_lists_the_known(counting: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is no benchmark ends with code 2 and the names that are, on stderr."""
    assert main(words) == 2
    captured = capsys.readouterr()
    assert counting in captured.err
    assert not captured.out


def test_listing_prints_the_names(counting: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--list prints one name a line."""
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out.split()
    assert counting in listed
    assert listed == names()
