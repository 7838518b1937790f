"""In which value a revealed result differs from one's own: what a challenger names when it opens a dispute."""

from __future__ import annotations

from app.protocol.documents import MAX_DOCUMENT_BYTES
from app.protocol.errors import BadDocument
from app.protocol.ids import Digest
from app.protocol.market.receipt import Receipt
from app.protocol.ports import Store
from app.storage.cid import digest_to_cid
from fhe.engine.output import HEADER
from fhe.merkle import builder

BLOCK = 8 << 20  # bytes of either result that are in memory at a time
WORD = 8  # bytes of a value of the form "bodies"


def read_receipt(store: Store, digest: Digest) -> Receipt | None:
    """A revealed receipt; None where these bytes are no receipt. Errors: NotFound, BadBlock, TooLarge."""
    data = store.read(digest_to_cid(digest), limit=MAX_DOCUMENT_BYTES)
    try:
        return Receipt.from_bytes(data)
    except BadDocument:
        return None


def whole(store: Store, receipt: Receipt) -> bool:
    """Whether the store has a receipt's output as the receipt says it: length and root.

    What nobody can read nobody can object to. Errors: NotFound, BadBlock.
    """
    if store.size(receipt.output) != receipt.output_bytes:
        return False
    root = builder()
    for start in range(0, receipt.output_bytes, BLOCK):
        length = min(BLOCK, receipt.output_bytes - start)
        root.update(store.read(receipt.output, start, length, limit=BLOCK))
    return root.root() == receipt.output_root


def first_difference(store: Store, said: Receipt, own: bytes | memoryview) -> int | None:
    """The place, in bytes, of the first word in which a receipt's output differs from one's `own`, behind the header.

    None where no word differs, as in a result of another length: its receipt says what no contract can be shown in one
    value. Errors: NotFound, BadBlock.
    """
    if said.output_bytes != len(own) or store.size(said.output) != len(own):
        return None
    for start in range(HEADER.size, len(own), BLOCK):
        length = min(BLOCK, len(own) - start)
        theirs, ours = store.read(said.output, start, length, limit=BLOCK), own[start : start + length]
        if theirs != ours:
            place = next(at for at in range(0, length, WORD) if theirs[at : at + WORD] != ours[at : at + WORD])
            return start + place
    return None
