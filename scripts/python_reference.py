"""The reference of `import darkroom`, as Markdown from its docstrings, for docs/python.md."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import darkroom

ORDER = (
    "connect", "owner", "Market", "Dataset", "Codebook", "CodebookEncoder", "LookupNetwork", "Model", "Quote",
    "Job", "Result", "Audit", "License", "Offer", "Owner", "Publication", "Revenue", "Provider", "Served",
    "Listing",
)  # fmt: skip


def reference() -> str:
    """A section for each class, and one for the functions and errors."""
    return "".join(_section(name) for name in ORDER) + _errors()


def members(kind: type) -> dict[str, Any]:
    """The public methods and properties of a class, those of its bases of ours first."""
    own = [each for each in kind.__mro__ if each.__module__.startswith("darkroom.")]
    return {name: value for each in reversed(own) for name, value in vars(each).items() if not name.startswith("_")}


def _section(name: str) -> str:
    value = getattr(darkroom, name)
    if not inspect.isclass(value):
        return f"\n### darkroom.{name}\n\n```python\n{_signature(name, value)}\n```\n\n{inspect.getdoc(value)}\n"
    lines = [f"\n### darkroom.{name}\n", inspect.getdoc(value) or "", ""]
    for member, each in members(value).items():
        if isinstance(each, property):
            kind = inspect.signature(each.fget).return_annotation if each.fget else ""
            lines.append(f"- `{member}: {kind}`. {_flat(each)}")
        else:
            lines.append(f"- `{_signature(member, each)}`. {_flat(each)}")
    return "\n".join(lines) + "\n"


class _Words(str):
    """An annotation that shows itself without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _signature(name: str, function: Any) -> str:
    """The call as one writes it: no `self`, defaults shown, types as in the source."""
    signature = inspect.signature(function)
    shown = [
        each.replace(annotation=_Words(each.annotation))
        for each in signature.parameters.values()
        if each.name != "self"
    ]
    return f"{name}{signature.replace(parameters=shown, return_annotation=_Words(signature.return_annotation))}"


def _flat(value: Any) -> str:
    return " ".join((inspect.getdoc(value) or "").split())


def _errors() -> str:
    names: Iterator[str] = (f"`{name}`" for name in darkroom.errors.__all__)
    return f"\n### darkroom.errors\n\n{inspect.getdoc(darkroom.errors)}\n\n{', '.join(names)}.\n"
