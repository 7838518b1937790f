"""An owner's keyrings, and which of them each published manifest's ciphertexts are under."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Literal

from app.files.private import write_private
from app.home.home import Actor
from app.protocol.documents import Document, GrownDocument, Sha256
from app.protocol.errors import NotFound, UsageError
from app.protocol.ids import Digest
from fhe.keys.keyring import Keyring

if TYPE_CHECKING:
    from app.custodian.ports import KeySourceOf


class EpochRecord(GrownDocument):
    """What an owner remembers of a key epoch; nothing in it is secret."""

    later: ClassVar[frozenset[str]] = frozenset({"packing"})

    kind: Literal["darkroom/epoch"] = "darkroom/epoch"
    keys: str  # the keyring's name
    epoch: int
    profile: str
    evaluation_key: str | None  # CID in the store
    packing: bool = True  # it packs results


class KeyedManifest(Document):
    """Which keyring a manifest's ciphertexts are under; written before the manifest reaches the chain."""

    kind: Literal["darkroom/keyed-manifest"] = "darkroom/keyed-manifest"
    manifest: Sha256
    keys: str


class KeyringStore:
    """An owner's keyrings, one a dataset: keys of one dataset can be destroyed without touching another's."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def names(self) -> list[str]:
        """The keyrings that are here."""
        folder = self._actor.path("keys")
        return sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []

    def keyring(self, name: str) -> Keyring:
        """The keyring of this name, empty when there is none yet. Errors: UsageError."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", name):
            raise UsageError(f"{name!r} cannot be a keyring's name.", "Use lower-case letters, digits and dashes.")
        return Keyring(self._actor.path("keys") / name)

    def epoch(self, name: str, number: int | None = None) -> EpochRecord:
        """What is known of an epoch, by default the newest. Errors: NotFound before any keys were made."""
        epochs = self.keyring(name).epochs()
        wanted = number if number is not None else (epochs[-1] if epochs else 0)
        path = self.keyring(name).folder / f"epoch-{wanted:04d}.json"
        if not path.is_file():
            raise NotFound(f"The keyring {name!r} has no keys of that epoch.", "Make them: darkroom keys create.")
        return EpochRecord.from_bytes(path.read_bytes())

    def note(self, record: EpochRecord) -> None:
        """Remember the public side of an epoch."""
        path = self.keyring(record.keys).folder / f"epoch-{record.epoch:04d}.json"
        write_private(path, record.to_bytes())

    def free_name(self, stem: str) -> str:
        """A keyring's name that is not taken, after a file's."""
        base = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:48] or "table"
        taken = set(self.names())
        numbered = (f"{base}-{number}" for number in itertools.count(2))
        return next(name for name in itertools.chain([base], numbered) if name not in taken)

    def bind(self, manifest: Digest, name: str) -> None:
        """Remember which keyring a manifest's ciphertexts are under."""
        folder = self._actor.path("manifests")
        folder.mkdir(mode=0o700, exist_ok=True)
        write_private(folder / f"{manifest}.json", KeyedManifest(manifest=manifest, keys=name).to_bytes())

    def unbind(self, manifest: str) -> None:
        """Forget a manifest that will not be published after all."""
        (self._actor.path("manifests") / f"{manifest}.json").unlink(missing_ok=True)

    def complete(self, name: str) -> bool:
        """Whether the keyring's newest epoch was made to its end."""
        epochs = self.keyring(name).epochs()
        return bool(epochs) and (self.keyring(name).folder / f"epoch-{epochs[-1]:04d}.json").is_file()

    def bound(self, name: str) -> bool:
        """Whether a manifest's ciphertexts are under this keyring."""
        folder = self._actor.path("manifests")
        files = folder.glob("*.json") if folder.is_dir() else ()
        return any(KeyedManifest.from_bytes(file.read_bytes()).keys == name for file in files)

    def vaults(self, passphrase: Callable[[], str]) -> KeySourceOf:
        """The keys of each manifest's dataset, for a custodian that runs; opened when they are first needed.

        Errors, when a dataset's keys are asked for that are not here: NotFound.
        """
        from app.custodian.unlocked_keys import UnlockedKeys

        @cache
        def vault(name: str) -> UnlockedKeys:
            return UnlockedKeys(self.keyring(name), passphrase)

        def of(manifest: Digest) -> UnlockedKeys:
            name = self.name_of(manifest)
            if name is None:
                raise NotFound("No keyring here belongs to this dataset.", "Serve it where it was published.")
            return vault(name)

        return of

    def name_of(self, manifest: Digest) -> str | None:
        """The keyring of a manifest that was published here; None for another's."""
        path = self._actor.path("manifests") / f"{manifest}.json"
        return KeyedManifest.from_bytes(path.read_bytes()).keys if path.is_file() else None

    def serves(self, manifest: Digest, epoch: int) -> bool:
        """Whether the keys of an epoch that a manifest's ciphertexts are under are here, and not destroyed."""
        name = self.name_of(manifest)
        return name is not None and epoch in self.keyring(name).epochs()
