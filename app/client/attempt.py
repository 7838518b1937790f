"""One try at publishing: what it made goes again where it fails before its transaction may be out."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from app.client.keyring_store import KeyringStore
from app.protocol.errors import DarkroomError, NotAllowed
from app.protocol.ports import Store
from app.storage.content import ContentStore, Recording


class Attempt:
    """A context in which keys, store objects, bindings and tags are made for a publication.

    Left by an error, it takes them back, unless the transaction was handed over and may still be mined: without its
    keys a dataset could never answer. A refusal by contract or chain is an answer, so it takes them back too.
    """

    def __init__(self, store: Store, cabinet: KeyringStore, forget: Callable[[str], None]) -> None:
        """`forget` lets the tags of a manifest's rows go."""
        self._cabinet, self._forget = cabinet, forget
        self.store: Store = store  # puts what it is given, and remembers that it did
        self._recording: Recording | None = None
        if isinstance(store, ContentStore):
            self.store, self._recording = store.recorded()
        self._keys = self._manifest = ""
        self._sending = False

    def makes_keys(self, name: str) -> None:
        """A keyring of this name is about to be made; one whose folder is there is not this attempt's."""
        if not self._cabinet.keyring(name).folder.exists():
            self._keys = name

    def makes(self, manifest: str) -> None:
        """A manifest is about to be bound to its keys, and its rows' tags kept."""
        self._manifest = manifest

    def sends(self) -> None:
        """The transaction is about to be handed over."""
        self._sending = True

    def __enter__(self) -> Attempt:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and (not self._sending or isinstance(error, NotAllowed)):
            self._take_back()

    def _take_back(self) -> None:
        if self._manifest:
            self._cabinet.unbind(self._manifest)
            self._forget(self._manifest)
        if self._keys:
            ring = self._cabinet.keyring(self._keys)
            for epoch in ring.epochs():
                ring.destroy(epoch)
            shutil.rmtree(ring.folder, ignore_errors=True)
        if self._recording is not None:
            with suppress(DarkroomError):  # the error that led here is the one to tell
                self._recording.undo()
