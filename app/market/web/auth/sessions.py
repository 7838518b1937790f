"""What the API keeps of its own: nonces of sign-ins, sessions, and tokens of programs. Secrets are kept as hashes.

These tables are no index of the chain: they are not rebuilt, and stay when the index is. A secret is 32 random bytes,
so its SHA-256 needs no salt. Times are seconds since the epoch by this machine's clock.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import BigInteger, Column, MetaData, String, Table, delete, func, insert, select, update
from sqlalchemy.engine import Row

from app.market.db.database import Database
from app.market.web.errors.refusals import SignInRefused
from app.protocol.errors import NotAllowed, NotFound

NONCE_SECONDS = 300
SESSION_SECONDS = 12 * 3600
MAX_NONCES = 100_000
MAX_TOKENS = 20  # of one account
MAX_TOKEN_DAYS = 365
DAY = 86_400
NOTED_EVERY = 3600  # how exactly a token's last use is known
PREFIX = "drk"

Scope = Literal["account:read", "documents:write", "audits:run"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
SCOPE_WORDS: dict[Scope, str] = {  # what a token's owner lets it do
    "account:read": "read my licenses, jobs and money",
    "documents:write": "publish circuits and policies",
    "audits:run": "ask this node for audits",
}

METADATA = MetaData()
NONCES = Table(
    "access_nonces",
    METADATA,
    Column("nonce", String(64), primary_key=True),
    Column("expires_at", BigInteger, nullable=False, index=True),
)
SESSIONS = Table(
    "access_sessions",
    METADATA,
    Column("hash", String(64), primary_key=True),
    Column("address", String(42), nullable=False, index=True),
    Column("csrf", String(64), nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)
TOKENS = Table(
    "access_tokens",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("hash", String(64), nullable=False),
    Column("address", String(42), nullable=False, index=True),
    Column("name", String(100), nullable=False),
    Column("scopes", String(200), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger, nullable=False),
)


@dataclass(frozen=True)
class Session:
    """A signed-in browser. `csrf` must come back in a header with every write."""

    hash: str
    address: str
    csrf: str
    expires_at: int


@dataclass(frozen=True)
class Token:
    """A program's access, without its secret."""

    id: str
    address: str
    name: str
    scopes: tuple[Scope, ...]
    created_at: int
    expires_at: int
    used_at: int  # to the hour; 0: never
    revoked_at: int  # 0: it was not


class SessionStore:
    """Sign-ins and tokens in a database."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """Make the tables where they are missing. Errors: Unavailable."""
        database.make(METADATA)
        self._database, self._clock = database, clock

    def new_nonce(self) -> tuple[str, int]:
        """A nonce for one sign-in, and when it ends. Errors: NotAllowed while too many are out."""
        now = self._now()
        nonce = secrets.token_hex(16)
        with self._database.changing() as connection:
            connection.execute(delete(NONCES).where(NONCES.c.expires_at <= now))
            if connection.execute(select(func.count()).select_from(NONCES)).scalar_one() >= MAX_NONCES:
                raise NotAllowed("Too many sign-ins wait for their signature.", "Try again in a few minutes.")
            connection.execute(insert(NONCES).values(nonce=nonce, expires_at=now + NONCE_SECONDS))
        return nonce, now + NONCE_SECONDS

    def use_nonce(self, nonce: str) -> None:
        """Use a nonce up. Errors: SignInRefused when this node did not give it out, or it is used or too old."""
        with self._database.changing() as connection:
            used = connection.execute(
                delete(NONCES).where(NONCES.c.nonce == nonce, NONCES.c.expires_at > self._now())
            ).rowcount
        if used != 1:
            raise SignInRefused(
                "This sign-in was used before, or is too old.", "Ask for a new message and sign it within five minutes."
            )

    def open_session(self, address: str) -> tuple[str, Session]:
        """A new session: the secret for the cookie, and what is kept of it."""
        secret, now = secrets.token_urlsafe(32), self._now()
        session = Session(_hash(secret), address, secrets.token_urlsafe(24), now + SESSION_SECONDS)
        with self._database.changing() as connection:
            connection.execute(delete(SESSIONS).where(SESSIONS.c.expires_at <= now))
            connection.execute(insert(SESSIONS).values(**vars(session)))
        return secret, session

    def session(self, secret: str) -> Session | None:
        """The session of a cookie, if there is one and it is not over."""
        if len(secret) > 200:
            return None
        with self._database.reading() as connection:
            row = connection.execute(select(SESSIONS).where(SESSIONS.c.hash == _hash(secret))).one_or_none()
        if row is None or row.expires_at <= self._now():
            return None
        return Session(row.hash, row.address, row.csrf, row.expires_at)

    def close_session(self, session: Session) -> None:
        """End a session."""
        with self._database.changing() as connection:
            connection.execute(delete(SESSIONS).where(SESSIONS.c.hash == session.hash))

    def new_token(self, address: str, name: str, scopes: tuple[Scope, ...], days: int) -> tuple[str, Token]:
        """A new token: the text that the program presents, shown this once, and what is kept of it.

        Errors: NotAllowed when the account has as many as it may.
        """
        now, name_of, secret = self._now(), secrets.token_hex(8), secrets.token_urlsafe(32)
        ordered = tuple(scope for scope in SCOPES if scope in scopes)
        token = Token(name_of, address, name, ordered, now, now + days * DAY, 0, 0)
        row = vars(token) | {"scopes": " ".join(ordered), "hash": _hash(secret)}
        with self._database.changing() as connection:
            live = (TOKENS.c.address == address) & (TOKENS.c.revoked_at == 0) & (TOKENS.c.expires_at > now)
            connection.execute(delete(TOKENS).where(TOKENS.c.address == address, ~live))
            if connection.execute(select(func.count()).select_from(TOKENS).where(live)).scalar_one() >= MAX_TOKENS:
                raise NotAllowed(f"An account has at most {MAX_TOKENS} tokens.", "Revoke one that is not needed.")
            connection.execute(insert(TOKENS).values(**row))
        return f"{PREFIX}_{name_of}_{secret}", token

    def tokens(self, address: str) -> list[Token]:
        """An account's tokens, newest first, those that ended included until the next is made."""
        wanted = select(TOKENS).where(TOKENS.c.address == address).order_by(TOKENS.c.created_at.desc(), TOKENS.c.id)
        with self._database.reading() as connection:
            return [_token(row) for row in connection.execute(wanted)]

    def revoke(self, address: str, id: str) -> Token:
        """End a token at once. Errors: NotFound when the account has no such token."""
        mine = (TOKENS.c.id == id) & (TOKENS.c.address == address)
        with self._database.changing() as connection:
            connection.execute(update(TOKENS).where(mine, TOKENS.c.revoked_at == 0).values(revoked_at=self._now()))
            row = connection.execute(select(TOKENS).where(mine)).one_or_none()
        if row is None:
            raise NotFound("This account has no such token.", "List them: GET /v1/tokens.")
        return _token(row)

    def token(self, text: str) -> Token | None:
        """The token that a program presents, if it is one and neither over nor revoked."""
        prefix, name, secret = [*text.split("_", 2), "", ""][:3]
        if prefix != PREFIX or len(text) > 200:
            return None
        now = self._now()
        with self._database.reading() as connection:
            row = connection.execute(select(TOKENS).where(TOKENS.c.id == name)).one_or_none()
        if row is None or not hmac.compare_digest(row.hash, _hash(secret)):
            return None
        if row.revoked_at or row.expires_at <= now:
            return None
        if now - row.used_at >= NOTED_EVERY:
            with self._database.changing() as connection:
                connection.execute(update(TOKENS).where(TOKENS.c.id == name).values(used_at=now))
        return _token(row)

    def _now(self) -> int:
        return int(self._clock())


def _token(row: Row[Any]) -> Token:
    scopes = tuple(scope for scope in SCOPES if scope in row.scopes.split())
    return Token(row.id, row.address, row.name, scopes, row.created_at, row.expires_at, row.used_at, row.revoked_at)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
