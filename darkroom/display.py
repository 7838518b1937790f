"""How objects show themselves: one line in a terminal, a small table in a notebook. Only what is public is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from app.protocol.ports import EncryptionProgress, Progress


class Shown:
    """Something with a few facts that are worth showing."""

    def _facts(self) -> Mapping[str, Any]:
        raise NotImplementedError

    def __repr__(self) -> str:
        facts = ", ".join(f"{name}={_short(value)}" for name, value in self._facts().items())
        return f"{type(self).__name__}({facts})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(_words(name))}</th>"
            f"<td style='text-align:left'>{escape(_text(value))}</td></tr>"
            for name, value in self._facts().items()
        )
        return f"<table><caption>{escape(type(self).__name__)}</caption>{rows}</table>"


S = TypeVar("S", bound=Shown)


class Listing(list[S]):
    """A list that a notebook shows as a table: one line an item, one column a fact."""

    def _repr_html_(self) -> str:
        if not self:
            return "<p>Nothing here yet.</p>"
        lines = [each._facts() for each in self]
        head = "".join(f"<th>{escape(_words(name))}</th>" for name in lines[0])
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(_text(value))}</td>" for value in line.values()) + "</tr>" for line in lines
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


class Served(Shown):
    """What was done for a job: `job` its number, `what` in a word or two, `detail` why where that is not plain."""

    def __init__(self, job: int, what: str, detail: str = "") -> None:
        """Made by `Owner.serve_once` and `Provider.serve_once`."""
        self.job, self.what, self.detail = job, what, detail

    def _facts(self) -> Mapping[str, Any]:
        return {"job": self.job, "what": self.what, "detail": self.detail}


@contextmanager
def bar(what: str, wanted: bool) -> Iterator[Progress]:
    """A progress bar on a terminal; silence elsewhere, and where it is not wanted."""
    from app.console.output import Terminal

    with Terminal(as_json=not wanted).progress(what) as report:
        yield report


@contextmanager
def encryption_bar(wanted: bool) -> Iterator[EncryptionProgress]:
    """The bar of a table that is encrypted, where `bar` would show one."""
    from app.console.output import Terminal

    with Terminal(as_json=not wanted).encryption() as report:
        yield report


def remark(text: str) -> None:
    """A line in a notebook, where a bar on a terminal would be no use; nothing elsewhere."""
    from rich.console import Console

    console = Console()
    if console.is_jupyter:
        console.print(text, markup=False, highlight=False)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _short(value: Any) -> str:
    text = str(value) if not isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(each) for each in value) or "-"
    return "-" if value is None else str(value)
