"""Brings the catalogues of frontend/languages up to date with templates, scripts and sentences: `make messages`.

New messages are added without a translation, what nobody says any more is removed, translations stay. With `--check`
nothing is written; the exit code says whether a catalogue is behind or has a message without words.
"""

from __future__ import annotations

import ast
import io
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po
from jinja2 import nodes
from jinja2.ext import extract_from_ast

from app.market.web.errors.field_messages import field_messages
from app.market.web.language.catalogue import AREAS, ENGLISH, FOLDER, LANGUAGES
from app.market.web.pages.site import environment
from app.market.web.pages.speaking import COUNTED

ROOT = Path(__file__).parents[1]
TEMPLATES, SCRIPTS = ROOT / "frontend" / "templates", ROOT / "frontend" / "static"
LABELLED = {"hash", "account"}  # macros whose second argument is a word for what they show
# Where sentences come from that pages show: these modules and packages.
SPEAKERS = (
    "app/market/queries",
    "app/market/web/pages",
    "app/market/web/errors/problems.py",
    "app/market/web/auth/sessions.py",
    "app/market/web/featured_models.py",
    "app/market/web/questions.py",
    "app/market/web/quotes.py",
    "app/market/web/sums.py",
    "app/client/certificate.py",
    "app/protocol/data/change.py",
    "app/market/web/pages/speaking.py",
    "app/market/web/middleware/concurrency.py",
    "app/market/web/middleware/security.py",
    "app/market/web/dependencies/caller.py",
    "app/market/web/dependencies/parameters.py",
    "app/policy",
    "app/protocol/policy/reasons.py",
    "app/client/ask",
    "app/client/fit",
    "app/chain/contracts/messages.py",
    "app/chain/contracts/client.py",
    "fhe/circuit/compatible.py",
)
# Strings that are for machines, or typed into them.
NO_WORDS = re.compile(
    r"darkroom |darkroom\.|dataset\.|dataset = |curl |import |market = |print\(|SELECT |FROM data$|GROUP BY$|"
    r"BEGIN |--|</|attachment|[a-z]+/[a-z]+; |\{kind\}; |default-src|public, max|camera=|etag, |accept, |"
    r"GET[,/ ]|POST |\{%|PAYMENT|urn:|# Darkroom|\w+\(\w*\{|make_pipeline"
)
# Functions and calls that describe the API to programs.
FOR_PROGRAMS = {"Field", "APIKeyCookie", "HTTPBearer", "error_responses", "_example", "examples", "media_type"}
SENTENCE = re.compile(r"[^\W\d_]{2,}.* |^[A-Z][a-z]{2,}\.?$|.* [^\W\d_]{2,}", re.DOTALL)
REFUSALS = ("app/market/web/transactions", "app/storage")  # of these modules only what is raised
TITLES = ("app/protocol/errors.py", "app/market/web/errors/refusals.py")  # an error's class says what it is
Message = str | tuple[str, str]
Found = Iterator[tuple[Message, str]]  # a message, and the file that says it


def from_templates() -> Found:
    """What the templates say: their marked text, counts with their nouns, and the words for digests and accounts."""
    env = environment()
    for unit in COUNTED:
        yield (f"{{count}} {unit}", f"{{count}} {unit}s"), "speaking.py"
    for path in sorted(TEMPLATES.glob("*.html")):
        tree = env.parse(path.read_text("utf-8"))
        for _, _, said in extract_from_ast(tree, ("_", "gettext", "ngettext")):
            yield str(said[0] if isinstance(said, tuple) else said), path.name
        for each in tree.find_all(nodes.Filter):
            if each.name == "plural":
                one, *many = (word.value for word in each.args if isinstance(word, nodes.Const))
                yield (f"{{count}} {one}", f"{{count}} {many[0] if many else one + 's'}"), path.name
        for call in tree.find_all(nodes.Call):
            name = call.node.attr if isinstance(call.node, nodes.Getattr) else getattr(call.node, "name", "")
            if name in LABELLED and len(call.args) > 1 and isinstance(call.args[1], nodes.Const):
                yield str(call.args[1].value), path.name


def from_python() -> Found:
    """Sentences of the modules that speak to people: literals and f-strings, their values in braces."""
    for speaker in SPEAKERS:
        place = ROOT / speaker
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            for said in sentences_of(path.read_text("utf-8")):
                yield said, path.relative_to(ROOT).as_posix()
    for folder in REFUSALS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for raised in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(raised, ast.Raise) and raised.exc:
                    yield from ((said, path.relative_to(ROOT).as_posix()) for said in sentences(raised.exc))
    yield from ((said, "field_messages.py") for said in field_messages())
    for name in TITLES:
        for kind in ast.walk(ast.parse((ROOT / name).read_text("utf-8"))):
            if isinstance(kind, ast.ClassDef):
                yield (ast.get_docstring(kind) or "").splitlines()[0], name


def sentences_of(source: str) -> Iterator[str]:
    """Every string of a module that reads as words."""
    return sentences(ast.parse(source))


def sentences(tree: ast.AST) -> Iterator[str]:
    """Every string of a module that reads as words; docstrings are none."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.FunctionDef | ast.Call) and _name(node) in FOR_PROGRAMS:
            continue
        text = _text(node)
        if text is None:
            yield from sentences(node)
            continue
        bare = re.sub(r"\{\w+\}", "", text)
        if "{" in bare or "}" in bare:
            continue
        if SENTENCE.search(text) and re.search(r"[A-Za-z]{2}", bare) and not NO_WORDS.match(text):
            yield text.strip()


def _text(node: ast.AST) -> str | None:
    """A string as a message; None for what is no string."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value  # one with values in braces is filled where it is said
    if isinstance(node, ast.JoinedStr):
        names: list[str] = []
        parts = [
            each.value if isinstance(each, ast.Constant) else f"{{{_free(_name(each), names)}}}" for each in node.values
        ]
        return "".join(str(part) for part in parts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text(node.left), _text(node.right)
        return None if left is None or right is None else left + right
    return None


def _free(name: str, names: list[str]) -> str:
    found = name if name not in names else f"{name}{names.count(name) + 1}"
    names.append(name)
    return found


def _name(node: ast.AST) -> str:
    """A short name for a value: what its expression ends in."""
    match node:
        case ast.FormattedValue(value=inner) | ast.Starred(value=inner):
            return _name(inner)
        case ast.FunctionDef(name=name):
            return name
        case ast.Call(func=ast.Name(id="Field" | "APIKeyCookie" | "HTTPBearer" as name)):
            return name
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.strip("_").lower() or "value"
        case ast.Subscript(slice=ast.Constant(value=str(key))):
            return key.lower()
        case ast.Subscript(value=inner) | ast.BinOp(left=inner) | ast.IfExp(test=inner) | ast.Compare(left=inner):
            return _name(inner)
        case ast.Call(args=[first, *_]) if not isinstance(first, (ast.Constant, ast.GeneratorExp)):
            return _name(first)
        case ast.Call(func=inner):
            return _name(inner)
    return "value"


def from_scripts() -> Found:
    """What scripts say: template literals tagged `t`, their values numbered."""
    for path in sorted(SCRIPTS.glob("*.js")):
        for said in tagged(path.read_text("utf-8")):
            yield said, path.name


def tagged(source: str) -> Iterator[str]:
    """Messages of the template literals that are tagged `t`; one inside of another's value too."""
    for start in re.finditer(r"(?<![\w$.])t`", source):
        made, at, number = "", start.end(), 0
        while source[at] != "`":
            if source.startswith("${", at):
                made, number, at = f"{made}{{{number}}}", number + 1, _after_value(source, at + 2)
            else:
                at += source[at] == "\\"
                made, at = made + source[at], at + 1
        yield made


def _after_value(source: str, at: int) -> int:
    """Past the brace that ends a value; its own braces and template literals are stepped over."""
    while source[at] != "}":
        if source[at] == "{":
            at = _after_value(source, at + 1)
        elif source[at] == "`":
            at += 1
            while source[at] != "`":
                at = _after_value(source, at + 2) if source.startswith("${", at) else at + 1 + (source[at] == "\\")
            at += 1
        elif source[at] in "\"'":
            at = source.index(source[at], at + 1) + 1
        else:
            at += 1
    return at + 1


SOURCES: dict[str, Callable[[], Found]] = {
    "templates": from_templates,
    "server": from_python,
    "scripts": from_scripts,
}


def current(area: str, language: str) -> Catalog:
    """An area's catalogue as it should be: today's messages with the translations that there are."""
    path = FOLDER / language / f"{area}.po"
    kept = Catalog()
    if path.exists():
        with path.open("rb") as file:
            kept = read_po(file, locale=language, domain=area)
    dated = datetime(2026, 11, 28, tzinfo=UTC)
    made = Catalog(
        locale=language,
        domain=area,
        project="Darkroom",
        header_comment=f"# Words of Darkroom's pages: {area}. Kept by scripts/write_messages.py.",
        creation_date=dated,
        revision_date=dated,
        charset="utf-8",
        fuzzy=False,
    )
    places: dict[Message, list[str]] = {}
    for message, place in SOURCES[area]():
        single = message[0] if isinstance(message, tuple) else message
        known = next((each for each in places if single == (each[0] if isinstance(each, tuple) else each)), message)
        places.setdefault(known, []).append(place)
    for message, said_in in places.items():
        before = kept.get(message[0] if isinstance(message, tuple) else message)
        words = before.string if before and not before.fuzzy and isinstance(before.id, type(message)) else None
        made.add(message, words, locations=[(place, 0) for place in dict.fromkeys(said_in)])
    return made


def written(catalogue: Catalog) -> bytes:
    """A catalogue's file."""
    file = io.BytesIO()
    write_po(file, catalogue, width=118, include_lineno=False)
    return file.getvalue()


def untranslated(catalogue: Catalog) -> list[object]:
    """Messages without words."""
    return [each.id for each in catalogue if each.id and not (all(each.string) if each.string else False)]


def main(arguments: list[str]) -> int:
    """Write or check all catalogues; the exit code."""
    behind = 0
    for language in LANGUAGES:
        for area in AREAS if language != ENGLISH else ():
            path, catalogue = FOLDER / language / f"{area}.po", current(area, language)
            missing, text = untranslated(catalogue), written(catalogue)
            same = path.exists() and path.read_bytes() == text
            print(f"{language}/{area}.po: {len(catalogue)} messages, {len(missing)} without words")
            if "--check" in arguments:
                behind += bool(missing) or not same
            elif not same:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text)
    return int(behind > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
