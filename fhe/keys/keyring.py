"""The owner's keyring: a folder with one sealed file for each epoch of each key, readable by this user alone.

A file `epoch-0007.key` holds `SecretKeys` of epoch 7 sealed under the passphrase (`app.files.sealed`). Rotating
means generating the next epoch and publishing under it; the old file opens old results until it is destroyed, after
which nothing encrypted in that epoch can be read by anyone. Files are written whole or not at all.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from app.files.private import write_private
from app.files.sealed import MAX_SEALED_BYTES, WORK, open_sealed, seal
from app.protocol.errors import BadKey, NotFound, UsageError
from fhe.keys.secret_keys import SecretKeys

HOLDS = "darkroom/secret-keys"
MAX_EPOCH = 9999
_NAME = re.compile(r"^epoch-(\d{4})\.key$")


class Keyring:
    """The sealed secret keys in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def epochs(self) -> list[int]:
        """Epochs whose keys are here, ascending; from file names alone."""
        if not self.folder.is_dir():
            return []
        found = (_NAME.match(path.name) for path in self.folder.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def next_epoch(self) -> int:
        """The epoch after the newest one ever made here; destroyed epochs are not used again."""
        counter = self.folder / "last-epoch"
        text = counter.read_text("utf-8") if counter.is_file() else "0"
        if not text.isdecimal():
            raise BadKey(f"The file {counter} is damaged.", "Write the last epoch ever made into it.")
        last = int(text)
        return max([last, *self.epochs()]) + 1

    def add(self, keys: SecretKeys, passphrase: str, *, work: int = WORK) -> Path:
        """Seal and keep keys of a new epoch; the file. Errors: UsageError when the epoch exists or is out of range."""
        if not 1 <= keys.epoch <= MAX_EPOCH:
            raise UsageError(f"An epoch is a number from 1 to {MAX_EPOCH}, not {keys.epoch}.")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(keys.epoch)
        if path.exists() or keys.epoch < self.next_epoch():
            raise UsageError(f"Epoch {keys.epoch} was made before.", f"Use epoch {self.next_epoch()}.")
        write_private(path, seal(keys.to_bytes(), passphrase, HOLDS, work=work))
        write_private(self.folder / "last-epoch", str(keys.epoch).encode())
        return path

    def open(self, epoch: int, passphrase: str) -> SecretKeys:
        """The keys of an epoch. Errors: NotFound, WrongPassphrase, BadKey."""
        try:
            with self._path(epoch).open("rb") as file:
                sealed = file.read(MAX_SEALED_BYTES)
        except OSError:
            raise NotFound(f"There is no key of epoch {epoch}.", "See which there are: darkroom keys list.") from None
        keys = SecretKeys.from_bytes(open_sealed(sealed, passphrase, HOLDS))
        if keys.epoch != epoch:
            raise BadKey(f"The key file of epoch {epoch} holds epoch {keys.epoch}.", "Restore it from a backup.")
        return keys

    def destroy(self, epoch: int) -> None:
        """Overwrite and remove an epoch's file. Errors: NotFound.

        The overwriting is a courtesy: file systems and drives may keep copies, and so do backups.
        """
        path = self._path(epoch)
        if not path.is_file():
            raise NotFound(f"There is no key of epoch {epoch}.", "See which there are: darkroom keys list.")
        with path.open("r+b") as file:
            file.write(os.urandom(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()

    def _path(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch:04d}.key"
