"""What a dispute about a lookup is judged by of an evaluation key, worked out once a key on each machine.

It takes a second or two and the whole key in memory; what was found is kept by the key's CID. A kept file that was
damaged is worked out again.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Literal

from app.execution.inputs import JobInputs
from app.files.private import write_private
from app.protocol.data.dataset import KeyRoots
from app.protocol.documents import Document, Sha256
from app.protocol.errors import BadDocument, BadKey, TooLarge
from app.protocol.ids import Digest
from app.protocol.ports import Store
from fhe.engine.trace.lookups import roots_of_key
from fhe.evaluation_key import EvaluationKey
from fhe.profile import EncryptionProfile

RootsOf = Callable[[JobInputs], KeyRoots]  # of the evaluation key that a job's lookups run under
KEPT_BYTES = 4096


class KeptRoots(Document):
    """What was worked out of a key."""

    kind: Literal["darkroom/key-roots"] = "darkroom/key-roots"
    trace: Literal["darkroom-trace-1"] = "darkroom-trace-1"
    key: str  # CID
    roots: KeyRoots
    check: Sha256  # SHA-256 over CID and roots

    @classmethod
    def of(cls, key: str, roots: KeyRoots) -> KeptRoots:
        """With its check."""
        return cls(key=key, roots=roots, check=_check(key, roots))


class KeyRootsKept:
    """The roots of evaluation keys, in a folder of this machine; in memory alone without one. A `RootsOf`."""

    def __init__(self, store: Store, folder: Path | None = None) -> None:
        self._store, self._folder = store, folder
        self._known: dict[str, KeyRoots] = {}

    def __call__(self, work: JobInputs) -> KeyRoots:
        """Of a job's key. Errors: BadKey, NotFound, BadBlock."""
        return self.of(work.table.evaluation_key, work.profile, work.table.epoch)

    def of(self, key: str | None, profile: EncryptionProfile, epoch: int) -> KeyRoots:
        """Of the key under a CID, worked out from its words the first time. Errors: BadKey, NotFound, BadBlock."""
        if key is None:
            raise BadKey("This dataset publishes no evaluation key.", "Use a circuit without lookups.")
        found = self._known.get(key) or self._read(key) or self._made(key, profile, epoch)
        self._known[key] = found
        return found

    def _made(self, key: str, profile: EncryptionProfile, epoch: int) -> KeyRoots:
        found = roots_of_key(EvaluationKey.fetch(self._store, key, profile, epoch))
        if self._folder is not None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(self._folder / f"{key}.json", KeptRoots.of(key, found).to_bytes())
        return found

    def _read(self, key: str) -> KeyRoots | None:
        path = self._folder / f"{key}.json" if self._folder is not None else None
        if path is None or not path.is_file():
            return None
        try:
            found = KeptRoots.from_bytes(path.read_bytes()[:KEPT_BYTES])
        except (BadDocument, TooLarge):
            return None
        roots = found.roots
        whole = roots.packing is not None or not roots.packs  # software of before kept no root of the packing key
        return roots if whole and found == KeptRoots.of(key, roots) else None


def _check(key: str, roots: KeyRoots) -> Digest:
    return Digest(sha256(key.encode() + roots.to_bytes()).hexdigest())
