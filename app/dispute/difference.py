"""In which bit a revealed result differs from one's own: by it a challenger names a value when it opens a dispute."""

from __future__ import annotations

from app.execution.execute import Evaluation
from app.protocol.documents import MAX_DOCUMENT_BYTES
from app.protocol.errors import BadBlock, BadDocument, NotFound
from app.protocol.ids import Digest
from app.protocol.market.receipt import Receipt
from app.protocol.ports import Store
from app.storage.cid import digest_to_cid
from fhe.merkle import builder

BLOCK = 8 << 20  # bytes of either result that are in memory at a time


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


def false_bit(store: Store, digest: Digest, own: Evaluation) -> int | None:
    """The first bit of its output (from each byte's lowest one) that an executor which revealed this receipt cannot
    show to be true, judged by one's `own` evaluation; None where it could show each, or nobody can read its output.

    A receipt that says another job, shape or dataset cannot be shown with any word: the first bit is named.
    Errors: Unavailable.
    """
    if digest == own.receipt.digest:
        return None
    try:
        said = read_receipt(store, digest)
        if said is None or _besides(said) != _besides(own.receipt):
            return 0
        return _first_difference(store, said, own.output)
    except (NotFound, BadBlock):
        return None


def _besides(receipt: Receipt) -> Receipt:
    """What a receipt says besides where its output is and what is in it."""
    return receipt.model_copy(update={"output": "", "output_root": ""})


def _first_difference(store: Store, said: Receipt, own: bytes | memoryview) -> int | None:
    if not whole(store, said) or said.output_bytes != len(own):
        return None  # what is stored is not what the receipt is of: it may show words that nobody has seen
    for start in range(0, len(own), BLOCK):
        length = min(BLOCK, len(own) - start)
        theirs, ours = store.read(said.output, start, length, limit=BLOCK), own[start : start + length]
        if theirs != ours:
            place = next(at for at, (said, true) in enumerate(zip(theirs, ours, strict=True)) if said != true)
            differing = theirs[place] ^ ours[place]
            return 8 * (start + place) + (differing & -differing).bit_length() - 1
    return None
