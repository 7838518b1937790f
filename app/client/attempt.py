"""One try at publishing: it ends on the chain, or what it made goes again, or the next one goes on with it.

An error takes everything back, keys included. A run that was stopped or killed leaves its journal
(`app.client.publication`): publishing the same again goes on, `darkroom dataset unfinished` takes it back.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING

from app.client.keyring_store import KeyringStore
from app.client.publication import PublicationJournal, PublicationState
from app.protocol.errors import DarkroomError, NotAllowed
from app.protocol.ports import Store
from app.storage.content import ContentStore, Recording

if TYPE_CHECKING:
    from ingestion.coded import FinishedFile


class Attempt:
    """A context in which keys, store objects, bindings and tags are made for a publication.

    Left by an error, it takes them back, unless the transaction was handed over and may still be mined: without its
    keys a dataset could never answer. A refusal by contract or chain is an answer, so it takes them back too. Left by
    what is no error (a key pressed, a stop), it leaves all to the next run.
    """

    def __init__(
        self,
        store: Store,
        cabinet: KeyringStore,
        forget: Callable[[str], None],
        journal: PublicationJournal,
        state: PublicationState,
    ) -> None:
        """`forget` lets the tags of a manifest's rows go; `state` is what is to be published."""
        self._cabinet, self._forget = cabinet, forget
        self._journal, self._state = journal, state
        self._earlier: list[str] = []
        self.store: Store = store  # puts what it is given, and remembers that it did
        self._recording: Recording | None = None
        self._hold = ExitStack()

    @cached_property
    def known(self) -> Mapping[str, FinishedFile]:
        """The files that an earlier run finished and that are whole in the store, by seed; every byte is read again."""
        from ingestion.coded import FinishedFile

        found = {}
        for seed, line in self._journal.finished().items():
            with suppress(DarkroomError):
                if isinstance(self.store, ContentStore) and self.store.verify(line.file.cid) == line.check.bytes:
                    found[seed] = FinishedFile(line.file, line.check)
        return found

    def finished(self, file: FinishedFile) -> None:
        """A file lies whole in the store."""
        self._journal.add_finished(file.file, file.check)

    def needs_keys(self, name: str) -> bool:
        """Whether the keyring's first keys are to be made now; what was cut short goes first."""
        state = self._journal.state
        if state is not None and state.makes_keys and not self._cabinet.complete(name):
            self._remove_keys(name)
        if self._cabinet.keyring(name).epochs():
            return False
        self._journal.update(makes_keys=not self._cabinet.keyring(name).folder.exists())
        return True

    def makes(self, manifest: str) -> None:
        """A manifest is about to be bound to its keys, and its rows' tags kept."""
        self._journal.update(manifest=manifest)

    def sends(self) -> None:
        """The transaction is about to be handed over."""
        self._journal.update(sending=True)

    def recorded(self, objects: Iterable[str]) -> None:
        """The chain names these objects now: what earlier runs put into the store besides goes."""
        if self._recording is None or not isinstance(self.store, ContentStore) or not self._earlier:
            return
        with suppress(DarkroomError):  # what stays costs room, and no more
            self._recording.undo(keep={cid for each in objects for cid in self.store.tree(each)})

    def __enter__(self) -> Attempt:
        self._hold.enter_context(self._journal.held())
        self._earlier = self._journal.begin(self._state)
        if isinstance(self.store, ContentStore):
            self.store, self._recording = self.store.recorded(self._journal.add_made, self._earlier)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._hold:
            if error is None:
                self._journal.end()
            elif isinstance(error, Exception) and not self._may_be_out(error):
                self.take_back()

    def take_back(self) -> None:
        """Let everything go that this attempt, and earlier ones of its journal, made."""
        state = self._journal.state
        if state is not None and state.manifest:
            self._cabinet.unbind(state.manifest)
            self._forget(state.manifest)
        if state is not None and state.makes_keys and not self._cabinet.bound(state.keys):
            self._remove_keys(state.keys)
        if self._recording is not None:
            with suppress(DarkroomError):  # the error that led here is the one to tell
                self._recording.undo()
        self._journal.end()

    def _may_be_out(self, error: Exception) -> bool:
        state = self._journal.state
        return state is not None and state.sending and not isinstance(error, NotAllowed)

    def _remove_keys(self, name: str) -> None:
        ring = self._cabinet.keyring(name)
        for epoch in ring.epochs():
            ring.destroy(epoch)
        shutil.rmtree(ring.folder, ignore_errors=True)
