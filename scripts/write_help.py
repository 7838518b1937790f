"""Writes the command line's help and the Python reference into documents, so that they never lag: `make docs`.

With `--check` nothing is written; the exit code says whether anything would change.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

from app.cli.main import app
from scripts.python_reference import reference

ROOT = Path(__file__).parents[1]
WIDTH = 100  # columns of the rendered help
REFERENCE = re.compile(r"(?<=<!-- reference: darkroom -->\n).*?(?=<!-- /reference -->)", re.DOTALL)
HEAD = """# The command line

Written by `make docs` from the commands themselves. Data goes to stdout, progress and remarks to stderr; `--json`
prints one JSON value: an object, a list where the command lists, and an object `error` (code, message, next_step) where
it fails or was called wrongly. Exit codes are in [errors.md](errors.md).

## What a command believes

Commands work from chain and store alone: contracts, documents by their digests, blocks by their CIDs. Three may ask a
node's index where to look, since the chain would have to be read whole: `dataset search`, `job list` and
`job watch --node`. The node is the one of `--node`, else of `DARKROOM_NODE`, else of `node` in `node.json`, else the
`darkroom up` of the same home, and it must serve this home's market. What money or trust depends on (owner, rows,
version, manifest, prices, policy, a job's state and receipt) is then read from the chain. Where the node says otherwise
the chain's word is shown, and a warning tells both. An index can still leave something out: `dataset list` and
`job list --chain-only` read everything themselves. `node status` tells what a node says of itself.
"""


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command that does something, groups opened, hidden ones left out."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words
        return
    for name, each in inner.items():
        if not each.hidden:
            yield from commands(each, (*words, name))


def rendered(words: tuple[str, ...]) -> str:
    """The help text of a command, without colour, as a block."""
    settings = {"COLUMNS": str(WIDTH), "TERMINAL_WIDTH": str(WIDTH), "NO_COLOR": "1", "TERM": "dumb"}
    done = CliRunner().invoke(app, [*words, "--help"], env=settings, prog_name="darkroom")
    if done.exit_code:
        raise RuntimeError(f"darkroom {' '.join(words)} --help ended with {done.exit_code}.")
    lines = [line.rstrip() for line in done.output.strip().splitlines()]
    return "```text\n" + "\n".join(["$ " + " ".join(("darkroom", *words, "--help")), *lines]) + "\n```\n"


def documents() -> dict[Path, str]:
    """Each document that shows help or the reference, as it should read."""
    python = ROOT / "docs" / "python.md"
    everything = ((), *commands(typer.main.get_command(app)))
    sections = [f"\n## {' '.join(('darkroom', *words))}\n\n{rendered(words)}" for words in everything]
    return {
        ROOT / "docs" / "cli.md": HEAD + "".join(sections),
        python: REFERENCE.sub(lambda _: reference(), python.read_text(encoding="utf-8")),
    }


def stale() -> list[str]:
    """The documents that do not show today's help."""
    return [
        str(path.relative_to(ROOT))
        for path, text in documents().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def main() -> int:
    """Write or check; the exit code."""
    late = stale()
    if late and "--check" not in sys.argv:
        for path, text in documents().items():
            path.write_text(text, encoding="utf-8")
    print(f"{'Stale' if '--check' in sys.argv else 'Written'}: {', '.join(late)}." if late else "All up to date.")
    return 1 if late and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
