"""English sentences with values in them, said in another language: each is known by what stands around its values.

Rules, errors and queries say what they have to say once, in English, to programs, terminals and pages alike, and know
no languages. `There is no dataset 7.` is known by its message `There is no {kind} {id}.`, as the catalogue has it from
the code. What is not known stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from app.market.web.language.numerals import numeral, told_date

VALUE = re.compile(r"\{(\w+)\}")
NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
AMOUNT = re.compile(r"[-+\d.,e%]+(?: [A-Za-z]{1,12})?")
BREAK = re.compile(r"(?<=[.?!]) ")  # between two sentences
WHOLE = re.compile(r"\d[\d,]* [a-z ]+|.* .*[.?!]", re.DOTALL)  # a count with its noun, or a sentence
SURE = 12  # letters; with fewer, all values have to be numbers
MOST_PARTS = 12  # sentences that are looked up one by one
MOST = 2_000  # characters of a sentence that is looked up


@dataclass(frozen=True)
class Pattern:
    """A message: the pieces around its values, their names, and its forms in the other language, one or by number."""

    message: str
    fixed: tuple[str, ...]
    names: tuple[str, ...]
    forms: tuple[str, ...]

    @property
    def weight(self) -> int:
        """Letters that are no values: the more, the surer."""
        return sum(map(len, self.fixed))

    def values(self, sentence: str) -> list[str] | None:
        """What stands for the values, each as short as it can be; None for another sentence. In linear time, since
        visitors write some of what is looked up.
        """
        first, *middle, last = self.fixed
        at, end = len(first), len(sentence) - len(last)
        if not (sentence.startswith(first) and sentence.endswith(last)):
            return None
        found = []
        for piece in middle:
            place = sentence.find(piece, at + 1, end)
            if place < 0:
                return None
            found.append(sentence[at:place])
            at = place + len(piece)
        return [*found, sentence[at:end]] if at < end else None


def as_pattern(message: str, forms: tuple[str, ...]) -> Pattern:
    """A message of a catalogue; its values are in braces, no name twice."""
    pieces = VALUE.split(message)
    return Pattern(message, tuple(pieces[::2]), tuple(pieces[1::2]), forms)


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
        self._said = lru_cache(2_048)(self._look_up)

    def say(self, sentence: str) -> str:
        """A sentence, or several after one another, in this language; what is not known as it is."""
        if not (self._exact or self._open) or len(sentence) > MOST:
            return sentence
        return self._said(sentence)

    def _look_up(self, sentence: str) -> str:
        parts = BREAK.split(sentence, MOST_PARTS)
        said = self._several(parts)
        if not any(said):  # a value may be several sentences, as a title that somebody chose
            return self._one(sentence, broken=True) or self._number(sentence)
        return " ".join(part if each is None else each for part, each in zip(parts, said, strict=True) if each != "")

    def _several(self, parts: Sequence[str]) -> list[str | None]:
        """The longest beginnings that are known, one after the other: a message may be several sentences itself.

        For each part its words, None where it is not known; "" for those that the one before has with its own.
        """
        said: list[str | None] = []
        while len(said) < len(parts):
            at = len(said)
            for until in range(len(parts), at, -1):
                known = self._one(" ".join(parts[at:until]))
                if known is not None:
                    said += [known, *[""] * (until - at - 1)]
                    break
            else:
                said.append(None)
        return said

    def _one(self, sentence: str, *, broken: bool = False) -> str | None:
        """One message; None where it is none. `broken`: also with a value in which a sentence ends."""
        if sentence in self._exact:
            return self._exact[sentence].forms[0]
        for pattern in self._open:
            found = pattern.values(sentence)
            if found and self._fits(pattern, found, broken=broken):
                return self._filled(pattern, dict(zip(pattern.names, found, strict=True)))
        return None

    def _fits(self, pattern: Pattern, values: Sequence[str], *, broken: bool) -> bool:
        if pattern.weight < SURE:
            return all(map(AMOUNT.fullmatch, values))
        return broken or not any(map(BREAK.search, values))

    def _filled(self, pattern: Pattern, values: dict[str, str]) -> str:
        form = pattern.forms[0]
        if len(pattern.forms) > 1:
            form = pattern.forms[0 if values["count"] == "1" else 1]
        said = {name: self._value(value) for name, value in values.items()}
        return VALUE.sub(lambda found: said.get(found[1], found[0]), form)

    def _number(self, text: str) -> str:
        """A number as the language writes it, other text as it is."""
        return numeral(text, self._language) if NUMBER.fullmatch(text) else text

    def _value(self, value: str) -> str:
        """A value: a number as the language writes it, a count with its noun or a sentence said, else as it is."""
        if NUMBER.fullmatch(value):
            return self._number(value)
        if when := told_date(value, self._language):
            return when
        amount, _, unit = value.rpartition(" ")
        if NUMBER.fullmatch(amount) and unit.isalpha() and self._one(value) is None:
            return f"{numeral(amount, self._language)} {unit}"
        if WHOLE.fullmatch(value):
            return self._one(value) or value
        return value  # a name that somebody chose may be a word of ours
