"""A template's text is its messages: a step before parsing marks it for Jinja's own i18n extension.

`<p>Paid by {{ name }}, <strong>once</strong>.</p>` becomes
`<p>{% trans name=name %}Paid by {{ name }}, <strong>once</strong>.{% endtrans %}</p>`. A message reaches from one
statement or element of a page's structure to the next; inline elements and expressions stay inside of it, so that a
translator sees the sentence. Attributes that people read or hear are marked alike. Words inside of an expression are no
text: they are marked where they stand, with `_("...")`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from jinja2.ext import Extension

INLINE = frozenset({"a", "abbr", "b", "code", "em", "i", "kbd", "small", "span", "strong"})
SPOKEN = r"aria-label|title|placeholder|alt|data-label|data-title|data-yes|data-known|data-held"
TOKEN = re.compile(
    r"(?P<comment>\{#.*?#\})|(?P<statement>\{%.*?%\})|(?P<expression>\{\{.*?\}\})"
    r"|(?P<tag><!?/?[a-zA-Z](?:\{\{.*?\}\}|\{%.*?%\}|\"(?:\{\{.*?\}\}|\{%.*?%\}|[^\"])*\"|'[^']*'|[^<>\"'])*>)"
    r"|(?P<text>(?:(?!\{[{%#]|</?[a-zA-Z!]).)+)",
    re.DOTALL,
)
ATTRIBUTE = re.compile(rf"(?<=\s)({SPOKEN})=\"((?:\{{\{{.*?\}}\}}|\{{%.*?%\}}|[^\"])*)\"", re.DOTALL)
DESCRIBED = re.compile(r"\{%-?\s*(raw|trans)\b.*?\{%-?\s*end\1\s*[-+]?%\}", re.DOTALL)
LETTERS = re.compile(r"[^\W\d_]{2}|[^\W\d_]\b")
ENTITY = re.compile(r"&[a-z]+;|&#\d+;")
PICTURE = re.compile(r"\{\{-?\s*ui\.(icon|mark|command|more)\(")
NAME = re.compile(r"[a-z][a-z0-9_]*", re.IGNORECASE)
KEYWORDS = frozenset({"and", "else", "if", "in", "is", "none", "not", "or"})
TAKEN = frozenset({"context", "it", "loop", "notrimmed", "pluralize", "trimmed", "ui"})
Part = tuple[str, str]  # kind, source


class MarkedText(Extension):
    """Marks the text of every template of an environment, which must have Jinja's i18n extension too."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002
        """The template with its text marked; no line begins elsewhere than before."""
        return mark(source)


def mark(source: str) -> str:
    """A template's source with its text marked."""
    made: list[str] = []
    run: list[Part] = []
    numbers = count(1)
    for kind, text in _parts(source):
        if kind in ("text", "expression") or (kind == "tag" and _element(text) in INLINE):
            run.append((kind, _attributes(text, numbers) if kind == "tag" else text))
            continue
        made += [*_message(run, numbers), _attributes(text, numbers) if kind == "tag" else text]
        run = []
    return "".join([*made, *_message(run, numbers)])


def _parts(source: str) -> Iterator[Part]:
    """What a template consists of; a `raw` or `trans` block is one statement, and so is what looks like nothing."""
    at = 0
    for block in [*DESCRIBED.finditer(source), None]:
        until = len(source) if block is None else block.start()
        while at < until:
            found = TOKEN.match(source, at, until)
            yield (str(found.lastgroup), found[0]) if found else ("text", source[at])
            at = found.end() if found else at + 1
        if block is not None:
            yield "statement", block[0]
            at = block.end()


def _element(tag: str) -> str:
    found = NAME.search(tag)
    return found[0].lower() if found else ""


def _attributes(tag: str, numbers: Iterator[int]) -> str:
    """A tag whose attributes for people are marked."""

    def marked(found: re.Match[str]) -> str:
        made: list[str] = []
        run: list[Part] = []
        for kind, text in _parts(found[2]):
            if kind in ("text", "expression"):
                run.append((kind, text))
                continue
            made += [*_message(run, numbers), text]
            run = []
        return f'{found[1]}="{"".join([*made, *_message(run, numbers)])}"'

    return ATTRIBUTE.sub(marked, tag)


def _says(part: Part) -> bool:
    return part[0] == "text" and LETTERS.search(ENTITY.sub("", part[1])) is not None


def _message(run: list[Part], numbers: Iterator[int]) -> Iterator[str]:
    """A run of text, expressions and inline elements, with what is a message in it marked."""
    speaking = [at for at, part in enumerate(run) if _says(part)]
    if not speaking:
        yield from (text for _, text in run)
        return
    first, last = _bounds(run, speaking[0], speaking[-1])
    head, body, tail = run[:first], run[first : last + 1], run[last + 1 :]
    yield from (text for _, text in head)
    yield _marked(body, numbers)
    yield from (text for _, text in tail)


def _bounds(run: list[Part], first: int, last: int) -> tuple[int, int]:
    """From the first to the last word: with the expressions beside them, and with every element whole."""
    partner = _partners(run)
    while True:
        before = (first, last)
        for at in range(first, last + 1):
            if run[at][0] == "tag" and at in partner:
                first, last = min(first, partner[at]), max(last, partner[at])
        while first and _joins(run[first - 1]):
            first -= 1
        while last + 1 < len(run) and _joins(run[last + 1]):
            last += 1
        if (first, last) == before:
            return first, last


def _joins(part: Part) -> bool:
    """Whether something beside a sentence belongs to it: a value or a sign, no picture."""
    kind, text = part
    return (kind == "expression" and not PICTURE.match(text)) or (kind == "text" and bool(text.strip()))


def _partners(run: list[Part]) -> dict[int, int]:
    """Of every inline tag of a run the one that closes or opens it, where that is in the run too."""
    opened: list[tuple[str, int]] = []
    found: dict[int, int] = {}
    for at, (kind, text) in enumerate(run):
        if kind != "tag":
            continue
        if not text.startswith("</"):
            opened.append((_element(text), at))
        elif opened and opened[-1][0] == _element(text):
            start = opened.pop()[1]
            found[start], found[at] = at, start
    return found


@dataclass
class _Message:
    """A message while it is put together."""

    set_before: list[str]
    values: dict[str, str]  # source of an expression -> its name
    body: list[str]

    def name(self, wanted: str, value: str) -> str:
        """A name for a value, the same for the same value."""
        if value in self.values:
            return self.values[value]
        free = wanted if wanted not in TAKEN else f"{wanted}_"
        names = set(self.values.values())
        number = next(number for number in count(1) if (free if number == 1 else f"{free}{number}") not in names)
        self.values[value] = free if number == 1 else f"{free}{number}"
        return self.values[value]


def _marked(body: list[Part], numbers: Iterator[int]) -> str:
    whole = "".join(text for _, text in body)
    message = _Message([], {}, [])
    for kind, text in body:
        if kind == "expression":
            source = text[2:-2].strip("-+ \n\t")
            message.body.append(f"{{{{ {message.name(named(source), source)} }}}}")
        elif kind == "tag" and (" " in text.strip() or "\n" in text):
            kept = f"tag_{next(numbers)}"
            message.set_before.append(f"{{%+ set {kept} %}}{text}{{% endset +%}}")
            message.body.append(f"{{{{ {message.name(_element(text), kept)} }}}}")
        else:
            message.body.append(text)
    said = re.sub(r"\s+", " ", "".join(message.body))
    before, after = said[: len(said) - len(said.lstrip())], said[len(said.rstrip()) :]
    given = ", ".join(f"{name}={value}" for value, name in message.values.items())
    lines = "\n" * max(0, whole.count("\n") - given.count("\n") - "".join(message.set_before).count("\n"))
    start = "{%+ trans " + given + lines + " %}"
    return "".join([before, *message.set_before, start, said.strip(), "{% endtrans +%}", after])


def named(source: str) -> str:
    """A short name for an expression: what it ends in, without filters: "offer.price | money" is `price`."""
    plain = re.sub(r"\"[^\"]*\"|'[^']*'", "", source)
    call = re.match(r"(?:\w+\.)*(\w+)\(", plain)
    if call:
        return call[1].lower().strip("_") or "value"
    chosen = re.search(r"\[(?:\w+\.)*(\w+)\]$", plain.strip())
    if plain.startswith("{") and chosen:
        return chosen[1]
    words = [word for word in NAME.findall(plain.split("|")[0]) if word not in KEYWORDS]
    return (words[-1].lower() if words else "value").strip("_") or "value"
