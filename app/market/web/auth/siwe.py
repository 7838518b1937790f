"""Sign-In with Ethereum (EIP-4361): the message's grammar, and what must hold before its signature is looked at.

    ${domain} wants you to sign in with your Ethereum account:
    ${address}

    ${statement}

    URI: ${uri}
    Version: 1
    Chain ID: ${chain-id}
    Nonce: ${nonce}
    Issued At: ${issued-at}
    Expiration Time: ${expiration-time}        this node demands one
    Not Before: ${not-before}                  this and what follows may be absent
    Request ID: ${request-id}
    Resources:
    - ${resource}

The parser takes exactly this form; a message that a wallet shows differently from how it is read here does not pass.
Pure: no clock, no store.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from app.market.web.errors.refusals import SignInRefused

MAX_MESSAGE = 4096
MAX_RESOURCES = 20
CLOCK_SKEW = 60  # seconds that a browser's clock may be ahead
MAX_AGE = 600  # seconds between writing and sending a message
MAX_VALIDITY = 24 * 3600
STATEMENT = "Sign in to Darkroom. This is not a transaction and costs nothing."

HEAD = " wants you to sign in with your Ethereum account:"
PRINTABLE = re.compile(r"[\x20-\x7e]*")
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
NONCE = re.compile(r"[A-Za-z0-9]{8,96}")
NUMBER = re.compile(r"[1-9][0-9]{0,17}")
TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class SignIn:
    """What a message says. Times are seconds since the epoch."""

    scheme: str  # "" where the message names none
    domain: str
    address: str  # as written
    statement: str
    uri: str
    chain_id: int
    nonce: str
    issued_at: float
    expires_at: float | None = None
    not_before: float | None = None
    request_id: str = ""
    resources: tuple[str, ...] = ()


def compose(origin: str, address: str, chain_id: int, nonce: str, issued_at: int, expires_at: int) -> str:
    """The message that this node asks to sign."""
    lines = (
        f"{urlsplit(origin).netloc}{HEAD}",
        address,
        "",
        STATEMENT,
        "",
        f"URI: {origin}/",
        "Version: 1",
        f"Chain ID: {chain_id}",
        f"Nonce: {nonce}",
        f"Issued At: {_text(issued_at)}",
        f"Expiration Time: {_text(expires_at)}",
    )
    return "\n".join(lines)


def parse(message: str) -> SignIn:
    """Read a message. Errors: SignInRefused."""
    if len(message) > MAX_MESSAGE or not all(PRINTABLE.fullmatch(line) for line in message.split("\n")):
        raise _refused("is too long, or has characters that a sign-in message cannot have")
    lines = _Lines(message.split("\n"))
    first = lines.take()
    if not first.endswith(HEAD):
        raise _refused("does not begin as EIP-4361 says")
    scheme, found, domain = first.removesuffix(HEAD).rpartition("://")
    if found and not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme):
        raise _refused("names no scheme that there is")
    address = _match(ADDRESS, lines.take(), "address")
    lines.blank()
    statement = lines.take()
    if statement:
        lines.blank()
    uri = lines.field("URI")
    if lines.field("Version") != "1":
        raise _refused("has a version other than 1")
    chain_id = int(_match(NUMBER, lines.field("Chain ID"), "chain"))
    nonce = _match(NONCE, lines.field("Nonce"), "nonce")
    issued_at = _time(lines.field("Issued At"))
    expires_at, not_before = lines.optional("Expiration Time"), lines.optional("Not Before")
    request_id = lines.optional("Request ID") or ""
    resources = lines.resources()
    lines.end()
    return SignIn(
        scheme=scheme,
        domain=domain,
        address=address,
        statement=statement,
        uri=uri,
        chain_id=chain_id,
        nonce=nonce,
        issued_at=issued_at,
        expires_at=None if expires_at is None else _time(expires_at),
        not_before=None if not_before is None else _time(not_before),
        request_id=request_id,
        resources=resources,
    )


def check(message: SignIn, *, origin: str, chain_id: int, now: float) -> None:
    """Whether a message is for this site, this chain and this moment. Errors: SignInRefused."""
    here, there = urlsplit(origin), _split(message.uri)
    if message.domain != here.netloc or message.scheme not in ("", here.scheme):
        raise _refused(f"is for {message.domain[:100]}, and this is {here.netloc}")
    if there != (here.scheme, here.netloc):
        raise _refused("names a URI of another site")
    if message.chain_id != chain_id:
        raise _refused(f"is for chain {message.chain_id}, and this market is on chain {chain_id}")
    if message.expires_at is None or message.expires_at > message.issued_at + MAX_VALIDITY:
        raise _refused("says no expiration, or a late one")
    if not now - MAX_AGE <= message.issued_at <= now + CLOCK_SKEW:
        raise _refused("was written too long ago, or in the future")
    if now >= message.expires_at or (message.not_before is not None and now < message.not_before):
        raise _refused("is expired, or not valid yet")


class _Lines:
    """The lines of a message, taken one after the other."""

    def __init__(self, lines: list[str]) -> None:
        self._lines, self._at = lines, 0

    def take(self) -> str:
        if self._at >= len(self._lines):
            raise _refused("ends too early")
        self._at += 1
        return self._lines[self._at - 1]

    def blank(self) -> None:
        if self.take():
            raise _refused("has text where a blank line belongs")

    def field(self, name: str) -> str:
        value = self.optional(name)
        if value is None:
            raise _refused(f"has no {name} in its place")
        return value

    def optional(self, name: str) -> str | None:
        if self._at < len(self._lines) and self._lines[self._at].startswith(f"{name}: "):
            return self.take()[len(name) + 2 :]
        return None

    def resources(self) -> tuple[str, ...]:
        if self._at >= len(self._lines) or self._lines[self._at] != "Resources:":
            return ()
        self.take()
        found = []
        while self._at < len(self._lines) and self._lines[self._at].startswith("- "):
            found.append(self.take()[2:])
        if len(found) > MAX_RESOURCES:
            raise _refused("names too many resources")
        return tuple(found)

    def end(self) -> None:
        if self._at != len(self._lines):
            raise _refused("goes on where it should end")


def _match(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not pattern.fullmatch(text):
        raise _refused(f"has an impossible {what}")
    return text


def _split(uri: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    return parts.scheme, parts.netloc


def _time(text: str) -> float:
    """RFC 3339, as EIP-4361 demands."""
    try:
        if not TIME.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise _refused("has an impossible time") from None


def _text(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _refused(why: str) -> SignInRefused:
    return SignInRefused(f"The sign-in message {why}.", "Ask for a new message and sign it as it is.")
