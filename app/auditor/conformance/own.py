"""Our own auditor on a recorded case: the same `Auditor`, whose node and store are a folder."""

from __future__ import annotations

import json
from pathlib import Path

from app.auditor.audit import Auditor
from app.auditor.report import AuditReport
from app.chain.contracts.deployment import Deployment, client_of
from app.chain.market import Market
from app.chain.recorded import RecordedChain, RecordedProvider
from app.chain.rpc.node import RpcNode
from app.protocol.documents import canonical
from app.protocol.errors import BadDocument, NotFound, Unavailable
from app.protocol.ids import Digest
from app.storage.cid import Cid, digest_to_cid
from app.storage.content import ContentStore
from fhe.profile import EncryptionProfile
from fhe.profiles import find

MAX_PROFILE_BYTES = 1 << 16


class RecordedBlocks:
    """Blocks of a recorded case, a file each; nothing is put there."""

    removes = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, cid: Cid) -> bool:
        """Whether the block was recorded."""
        return (self._folder / cid.text).is_file()

    def get(self, cid: Cid) -> bytes:
        """Its bytes, which may be another's. Errors: NotFound."""
        if not self.has(cid):
            raise NotFound(f"The block {cid.text} was not recorded.")
        return (self._folder / cid.text).read_bytes()

    def put(self, cid: Cid, block: bytes | bytearray | memoryview) -> None:  # noqa: ARG002
        """Errors: Unavailable."""
        raise Unavailable("A recording takes no blocks.")

    def pin(self, cid: Cid) -> None:
        """Everything that was recorded stays."""

    def pinned(self, cid: Cid) -> bool:
        """Everything that was recorded stays."""
        return self.has(cid)

    def unpin(self, cid: Cid) -> None:
        """Everything that was recorded stays."""

    def remove(self, cid: Cid) -> None:
        """Everything that was recorded stays."""


def recorded_market(folder: Path) -> tuple[Market, ContentStore, int]:
    """The market, the store and the job of a case's folder."""
    told, chain = (json.loads((folder / name).read_text("utf-8")) for name in ("job.json", "chain.json"))
    node = RpcNode(RecordedProvider(RecordedChain(**chain)))
    deployment = Deployment.from_bytes(canonical(told["deployment"]))
    return (
        Market(client_of(node, deployment), deployment),
        ContentStore(RecordedBlocks(folder / "objects")),
        told["job"],
    )


def audit_recorded(folder: Path) -> AuditReport:
    """What our auditor says of a case's job; its profile is read from the case too."""
    market, store, job = recorded_market(folder)

    def profile(digest: str) -> EncryptionProfile:
        try:
            said = store.read(digest_to_cid(Digest(digest)), limit=MAX_PROFILE_BYTES)
            return find(digest, [EncryptionProfile.from_bytes(said)])
        except NotFound:
            raise BadDocument(f"No encryption profile of this case has the digest {digest[:16]}.") from None

    return Auditor(market, store, find_profile=profile).audit(job)
