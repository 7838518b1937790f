"""Where a role's passphrase may come from, and where a role's files are."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.errors import PasswordDeleteError

from app.home.home import Actor, Home
from app.protocol.errors import NotFound, Unavailable, UsageError


class MemoryKeyring(KeyringBackend):
    """A keyring as desktops have one, kept in memory."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        """What was kept."""
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep it."""
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        """Drop it."""
        if self.kept.pop((service, username), None) is None:
            raise PasswordDeleteError("not there")


@pytest.fixture
def actor(tmp_path: Path) -> Actor:
    """A role of its own."""
    return Home(tmp_path / "home").actor("owner", create=True)


@pytest.fixture
def desktop() -> Iterator[MemoryKeyring]:
    """A machine with a keyring."""
    before, memory = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


@pytest.fixture
def headless() -> Iterator[None]:
    """A machine without a keyring."""
    before = keyring.get_keyring()
    keyring.set_keyring(NoKeyring())  # type: ignore[no-untyped-call]
    yield
    keyring.set_keyring(before)


@pytest.mark.usefixtures("headless")
def test_no_passphrase_anywhere(actor: Actor) -> None:
    """Without a terminal, a file, a variable or a keyring the error names each of them."""
    with pytest.raises(UsageError, match="darkroom keys remember"):
        actor.passphrase()
    with pytest.raises(Unavailable, match="DARKROOM_PASSPHRASE_FILE"):
        actor.remember("a b c")
    with pytest.raises(NotFound):
        actor.forget()


@pytest.mark.usefixtures("desktop")
def test_the_keyring_keeps_a_role_apart_from_another(actor: Actor) -> None:
    """What the keyring remembers is one role's of one home, until it is forgotten."""
    actor.remember("correct horse")
    assert actor.passphrase() == "correct horse"
    other = Home(actor.folder.parent.parent / "elsewhere").actor("owner", create=True)
    with pytest.raises(UsageError):
        other.passphrase()
    actor.forget()
    with pytest.raises(UsageError):
        actor.passphrase()


@pytest.mark.usefixtures("desktop")
def test_the_order_of_sources(actor: Actor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A variable comes before a named file, that before the role's own file, that before the keyring."""
    actor.remember("from the keyring")
    assert actor.passphrase() == "from the keyring"
    actor.path("passphrase").write_text("from its own file\n")
    assert actor.passphrase() == "from its own file"
    named = tmp_path / "named"
    named.write_text("from a named file")
    monkeypatch.setenv("DARKROOM_PASSPHRASE_FILE", str(named))
    assert actor.passphrase() == "from a named file"
    monkeypatch.setenv("DARKROOM_PASSPHRASE", "from a variable")
    assert actor.passphrase() == "from a variable"


def test_folders_are_private_and_names_are_plain(tmp_path: Path) -> None:
    """A role's folder is its user's alone, and a role's name cannot lead out of the home."""
    home = Home(tmp_path / "home")
    assert stat.S_IMODE(home.actor("buyer", create=True).folder.stat().st_mode) == 0o700
    assert home.actors() == ["buyer"]
    for name in ("", "..", "../x", "A", "a/b", "a" * 33):
        with pytest.raises(UsageError):
            home.actor(name, create=True)
    with pytest.raises(NotFound):
        home.actor("nobody")
