"""Where things live on a machine, and who may open what.

    $DARKROOM_HOME (default ~/.darkroom)
    |-- node.json            which chain and which store this machine talks to
    |-- chain/, store/       the embedded chain and block store: public bytes, shared by everyone
    |-- actors/NAME/         one folder a role: account, keys, ledger. No actor reads another's
    |-- index/, node.url     what a node keeps and says of the present market
    |-- editions/NAME/       the same of a market of an earlier edition of the contracts, which is run to its end

Secrets at rest are sealed under the actor's passphrase. It comes, in this order, from the variable DARKROOM_PASSPHRASE,
the file that DARKROOM_PASSPHRASE_FILE names, the file `passphrase` in the actor's folder (the demo writes one, so that
its actors can be driven by hand), the operating system's keyring, or the terminal. Never from a command's arguments.
"""

from __future__ import annotations

import getpass
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from app.protocol.errors import NotFound, Unavailable, UsageError

MAX_PASSPHRASE_BYTES = 1024
EARLIER = "editions"  # in a home: a folder for each earlier edition of the contracts that is served
EDITION_VARIABLE = "DARKROOM_EDITION"
SERVICE = "darkroom"  # the keyring's name for our entries


def private_folder(path: Path) -> Path:
    """Make `path` a folder that only this user can enter."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


@dataclass(frozen=True)
class Actor:
    """One role's own folder."""

    name: str
    folder: Path

    def path(self, name: str) -> Path:
        """A file or folder of this actor."""
        return self.folder / name

    def passphrase(self, *, confirm: bool = False) -> str:
        """The passphrase of this actor's sealed files. Errors: UsageError where none can be had."""
        if text := os.environ.get("DARKROOM_PASSPHRASE"):
            return text
        for file in (os.environ.get("DARKROOM_PASSPHRASE_FILE"), self.path("passphrase")):
            if file and Path(file).is_file():
                return Path(file).read_bytes()[:MAX_PASSPHRASE_BYTES].decode().rstrip("\n")
        if kept := self._remembered():
            return kept
        if not sys.stdin.isatty():
            raise UsageError(
                f"No passphrase for {self.name}, and no terminal to ask at.",
                "Set DARKROOM_PASSPHRASE, name a file in DARKROOM_PASSPHRASE_FILE, or: darkroom keys remember.",
            )
        text = getpass.getpass(f"Passphrase of {self.name}: ")
        if confirm and getpass.getpass("Again: ") != text:
            raise UsageError("The two passphrases differ.", "Run the command again.")
        if not text:
            raise UsageError("An empty passphrase protects nothing.", "Run the command again.")
        return text

    def remember(self, passphrase: str) -> None:
        """Keep the passphrase in the operating system's keyring. Errors: Unavailable where there is none."""
        import keyring

        try:
            keyring.set_password(SERVICE, self._entry, passphrase)
        except keyring.errors.KeyringError as error:
            raise Unavailable(
                f"This machine's keyring does not take a passphrase ({type(error).__name__}).",
                "Name a file in DARKROOM_PASSPHRASE_FILE instead.",
            ) from None

    def forget(self) -> None:
        """Remove the passphrase from the keyring. Errors: NotFound, when it is not in there."""
        import keyring

        try:
            keyring.delete_password(SERVICE, self._entry)
        except keyring.errors.KeyringError:
            raise NotFound(f"The keyring holds no passphrase of {self.name}.", "There is nothing to forget.") from None

    def _remembered(self) -> str | None:
        import keyring

        try:
            return keyring.get_password(SERVICE, self._entry)
        except keyring.errors.KeyringError:
            return None  # no keyring on this machine, or it is locked: ask at the terminal

    @property
    def _entry(self) -> str:
        return str(self.folder)


@dataclass(frozen=True)
class Home:
    """The data folder of one machine, and which of its markets is meant: "" for the present one."""

    root: Path
    edition: str = ""

    @classmethod
    def default(cls) -> Home:
        """The folder that DARKROOM_HOME names, else ~/.darkroom; the market of the edition in DARKROOM_EDITION."""
        root = Path(os.environ.get("DARKROOM_HOME") or Path.home() / ".darkroom").absolute()
        return cls(root, os.environ.get(EDITION_VARIABLE, ""))

    @property
    def place(self) -> Path:
        """The folder of what is kept of one market alone, but for the actors'."""
        earlier = self.root / EARLIER / self.edition
        return earlier if self.edition and earlier.is_dir() else self.root

    def relative(self, path: Path) -> str:
        """A path as the home's settings name it: from the home on where it lies in there."""
        whole = path.absolute()
        return str(whole.relative_to(self.root) if whole.is_relative_to(self.root) else whole)

    def actor(self, name: str, *, create: bool = False) -> Actor:
        """The folder of the role called `name`. Errors: UsageError, NotFound."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", name):
            raise UsageError(f"{name!r} cannot be a role's name.", "Use lower-case letters, digits and dashes.")
        folder = self.root / "actors" / name
        if create:
            private_folder(self.root)
            private_folder(folder)
        elif not folder.is_dir():
            raise NotFound(
                f"There is no role {name!r} in {self.root}.", f"Make it: darkroom account create --as {name}"
            )
        return Actor(name, folder)

    def actors(self) -> list[str]:
        """Names of the roles that live here."""
        folder = self.root / "actors"
        return sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []
