"""English sentences with values in them, said in another language: each is known again by what stands around its values.

Rules, errors and queries say what they have to say once, in English, to programs, terminals and pages alike, and know
no languages. `There is no dataset 7.` is known by its message `There is no {kind} {id}.`, as the catalogue has it from
the code. What is not known stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from app.market.web.language.numerals import numeral

VALUE = re.compile(r"\{(\w+)\}")
NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
AMOUNT = re.compile(r"[-+\d.,e%]+")
WHOLE = re.compile(r"\d[\d,]* [a-z ]+|.* .*[.?!]", re.DOTALL)  # a count with its noun, or a sentence
SURE = 12  # letters; with fewer, all values have to be numbers
MOST = 4_096  # characters of a sentence that is looked up


@dataclass(frozen=True)
class Pattern:
    """A message: how it is known in English, and its forms in the other language, one or by number."""

    message: str
    known: re.Pattern[str]
    literal: str  # the longest piece between values, which a sentence must hold
    weight: int  # letters that are no values: the more, the surer
    forms: tuple[str, ...]


def as_pattern(message: str, forms: tuple[str, ...]) -> Pattern:
    """A message of a catalogue; its values are in braces, no name twice."""
    pieces = VALUE.split(message)
    fixed, names = pieces[::2], pieces[1::2]
    source = re.escape(fixed[0]) + "".join(
        f"(?P<{name}>.+?)" + re.escape(after) for name, after in zip(names, fixed[1:], strict=True)
    )
    known = re.compile(source, re.DOTALL)
    return Pattern(message, known, max(fixed, key=len), sum(map(len, fixed)), forms)


class SentenceBook:
    """All sentences of a language."""

    def __init__(self, patterns: Iterable[Pattern], language: str) -> None:
        self._language = language
        self._exact: dict[str, Pattern] = {}
        self._open: list[Pattern] = []
        for pattern in patterns:
            if VALUE.search(pattern.message):
                self._open.append(pattern)
            else:
                self._exact[pattern.message] = pattern
        self._open.sort(key=lambda pattern: -pattern.weight)
        self._said = lru_cache(4_096)(self._look_up)

    def say(self, sentence: str) -> str:
        """A sentence, or several after one another, in this language; what is not known as it is."""
        if not (self._exact or self._open) or len(sentence) > MOST:
            return sentence
        return self._said(sentence)

    def _look_up(self, sentence: str) -> str:
        whole = self._one(sentence, MOST)
        if whole is not None:
            return whole
        return " ".join(self._several(re.split(r"(?<=[.?!]) ", sentence)))

    def _several(self, parts: Sequence[str]) -> list[str]:
        """The longest beginnings that are known, one after the other: a message may be several sentences itself."""
        said: list[str] = []
        at = 0
        while at < len(parts):
            for until in range(len(parts), at, -1):
                known = self._one(" ".join(parts[at:until]), MOST)
                if known is not None:
                    break
            said.append(parts[at] if known is None else known)
            at = at + 1 if known is None else until
        return said

    def _one(self, sentence: str, most: int) -> str | None:
        """One message; None where it is none. `most`: a value inside of another is shorter than it."""
        if sentence in self._exact:
            return self._exact[sentence].forms[0]
        for pattern in self._open:
            if pattern.literal in sentence and len(sentence) < most:
                found = pattern.known.fullmatch(sentence)
                if found and (pattern.weight >= SURE or all(map(AMOUNT.fullmatch, found.groups()))):
                    return self._filled(pattern, found.groupdict(), len(sentence))
        return None

    def _filled(self, pattern: Pattern, values: dict[str, str], most: int) -> str:
        form = pattern.forms[0]
        if len(pattern.forms) > 1:
            form = pattern.forms[0 if values["count"] == "1" else 1]
        said = {name: self._value(value, most) for name, value in values.items()}
        return VALUE.sub(lambda found: said.get(found[1], found[0]), form)

    def _value(self, value: str, most: int) -> str:
        """A value: a number as the language writes it, a count with its noun or a sentence said, else as it is."""
        if NUMBER.fullmatch(value):
            return numeral(value, self._language)
        amount, _, unit = value.rpartition(" ")
        if NUMBER.fullmatch(amount) and unit.isalpha() and self._one(value, most) is None:
            return f"{numeral(amount, self._language)} {unit}"
        if WHOLE.fullmatch(value):
            return self._one(value, most) or value
        return value  # a name that somebody chose may be a word of ours
