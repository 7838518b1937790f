"""Foreign text made safe to store, and the words that search finds it by."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

MAX_WORD = 40
MAX_WORDS = 400  # of one dataset
MIN_WORD = 2
MAX_QUERY_WORDS = 8

_WORD = re.compile(r"[^\W_]+")
_KEPT = "\n\t\u200c\u200d"  # and the joiners that some scripts need
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn"}  # control, format (also those that turn writing around), surrogate, unassigned


def clean(text: str, limit: int) -> str:
    """At most `limit` characters, without those that show nothing or that a database refuses."""
    kept = (char if char in _KEPT or unicodedata.category(char) not in _HIDDEN else " " for char in text[: 4 * limit])
    return "".join(kept).strip()[:limit]


def words(texts: Iterable[str], limit: int = MAX_WORDS) -> list[str]:
    """Distinct words in order of appearance: folded, at least two letters or digits, cut at 40."""
    found: dict[str, None] = {}
    for text in texts:
        for match in _WORD.finditer(unicodedata.normalize("NFKC", text).casefold()):
            word = match.group()[:MAX_WORD]
            if len(word) >= MIN_WORD:
                found[word] = None
            if len(found) == limit:
                return list(found)
    return list(found)


def query_words(text: str) -> list[str]:
    """The words that a query asks for, a single letter or digit among them too; no more than eight."""
    found = dict.fromkeys(
        match.group()[:MAX_WORD] for match in _WORD.finditer(unicodedata.normalize("NFKC", text).casefold())
    )
    return list(found)[:MAX_QUERY_WORDS]
