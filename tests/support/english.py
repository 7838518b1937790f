"""Whether a text has words of English in it that German does not have."""

from __future__ import annotations

import re

from app.protocol.policy.reasons import Reason

WORDS = re.compile(
    r"\b(the|of|and|is|are|this|that|with|for|from|by|not|to|it|its|you|your|has|have|or|at|be|on|no|only|each|one)\b"
)
SAME = {"one-vs-rest"}  # names that both have


def english_in(text: str) -> list[str]:
    """The lines that have English words in them; commands and code are none."""
    lines = (CODES.sub("", line).strip() for line in text.splitlines())
    return [line for line in lines if WORDS.search(line) and line not in SAME and not CODE.search(line)]


def stuck(page: str) -> list[str]:
    """Where two sentences of a page's HTML stand without a space between them."""
    text = ELEMENT.sub("\n", INLINE.sub("", page))
    return [line.strip() for line in text.splitlines() if STUCK.search(line)]


STUCK = re.compile(r"[a-zäöüß]{2}[.!?](?:[A-ZÄÖÜ][a-zäöüß]|\d)")
INLINE = re.compile(r"</?(?:a|abbr|b|code|em|i|q|small|strong|sup)\b[^>]*>")
ELEMENT = re.compile(r"<[^>]*>")
CODES = re.compile(rf"\b({'|'.join(reason.value for reason in Reason)})$")  # behind a sentence, for machines
CODE = re.compile(r"darkroom |curl |SELECT |dataset\.|import |--[a-z]")
