"""The catalogues of a language: gettext's .po files beside the templates, read and compiled when a node starts.

Three files to a language, by who says the words: `templates.po`, `server.po` (sentences that rules, errors and queries
make, in English, wherever they run) and `scripts.po`. English is what is written in the code; it has no catalogue.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from app.market.web.language.sentences import Pattern, SentenceBook, as_pattern

FOLDER = Path(__file__).parents[4] / "frontend" / "languages"
AREAS = ("templates", "server", "scripts")
ENGLISH = "en"
LANGUAGES: Mapping[str, str] = {ENGLISH: "English", "de": "Deutsch"}  # by tag: what a language calls itself


class Translation:
    """One language's words."""

    def __init__(self, language: str, catalogues: Mapping[str, Catalog]) -> None:
        """By area. One that is not there, as all of English, leaves the words as they are."""
        self.language = language
        self.texts = _compiled(catalogues.get("templates"))
        self.scripts: dict[str, dict[str, str]] = {}  # by module: its messages
        for each in _messages(catalogues.get("scripts")):
            for module, _ in each.locations:
                self.scripts.setdefault(module, {})[str(each.id)] = str(each.string)
        self.sentences = SentenceBook(
            [*_patterns(catalogues.get("server")), *_plurals(catalogues.get("templates"))], language
        )

    def of_scripts(self, modules: Iterable[str]) -> dict[str, str]:
        """The messages of some of the pages' modules."""
        return {message: words for module in modules for message, words in self.scripts.get(module, {}).items()}

    def gettext(self, message: str) -> str:
        """A template's message."""
        return self.texts.gettext(message)

    def ngettext(self, one: str, many: str, number: int) -> str:
        """A template's message in the form that a number takes."""
        return self.texts.ngettext(one, many, number)


@cache
def translation(language: str) -> Translation:
    """The words of one of `LANGUAGES`."""
    found = {}
    for area in AREAS:
        path = FOLDER / language / f"{area}.po"
        if path.exists():
            with path.open("rb") as file:
                found[area] = read_po(file, locale=language, domain=area)
    return Translation(language, found)


def _compiled(catalogue: Catalog | None) -> gettext.NullTranslations:
    if catalogue is None:
        return gettext.NullTranslations()
    file = io.BytesIO()
    write_mo(file, catalogue)
    file.seek(0)
    return gettext.GNUTranslations(file)


def _messages(catalogue: Catalog | None) -> Iterator[Message]:
    return (each for each in catalogue or () if each.id and each.string and not each.fuzzy)


def _patterns(catalogue: Catalog | None) -> Iterator[Pattern]:
    for each in _messages(catalogue):
        yield as_pattern(str(each.id), (str(each.string),))


def _plurals(catalogue: Catalog | None) -> Iterator[Pattern]:
    """Counts with their nouns, which sentences hold as values: "1 job", "1,200 jobs"."""
    for each in _messages(catalogue):
        if isinstance(each.id, tuple):
            forms = tuple(str(form) for form in each.string or ())
            for said in each.id:
                yield as_pattern(said, forms)
