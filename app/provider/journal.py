"""What a provider must remember of a job between its commitment and its reveal, whatever kills it in between.

A salt that is lost cannot be revealed, and a silent executor is slashed. So salts are not drawn but follow from the
account's key, the market, the job and the receipt: whoever has the key can work out again, on any machine, what was
committed to. Output, receipt and salt are on disk before the commitment is sent, so that nothing need be computed
twice, and the same ones are used ever after. The entry is written last: it is there only when everything it speaks of
is.
"""

from __future__ import annotations

import json
import mmap
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app import __version__
from app.execution.execute import Evaluation
from app.files.private import write_private, write_private_once
from app.protocol.errors import BadDocument, BadKey
from app.protocol.ids import CidText, Digest
from app.protocol.market.receipt import Receipt
from app.storage.content import file_cid

FORGOTTEN = ("json", "output")  # of a job that is over


@dataclass(frozen=True)
class JournalEntry:
    """One job's receipt digest and salt, both 64 hex digits."""

    receipt: Digest
    salt: str


class Journal:
    """Three small files a job in a folder of the provider's own: output, receipt, entry."""

    def __init__(self, folder: Path, salt: Callable[[int, Digest], str] | None = None) -> None:
        """`salt`: of a job and a receipt's digest, 64 hex digits; drawn by chance without it."""
        self._folder, self._salt = folder, salt or (lambda job, receipt: secrets.token_hex(32))
        self._follows = salt is not None
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def get(self, job: int) -> JournalEntry | None:
        """What was remembered of a job. A damaged entry is worked out again where salts follow from the key: from the
        receipt, and without one the job is as new. Errors: BadKey for one whose salt was drawn by chance.
        """
        path = self._folder / f"{job}.json"
        if not path.is_file():
            return None
        try:
            fields = json.loads(path.read_bytes())
            return JournalEntry(Digest(fields["receipt"]), str(fields["salt"]))
        except (ValueError, KeyError, TypeError):
            if not self._follows:
                raise BadKey(f"The journal entry {path} is damaged.", "Delete it if the job is over.") from None
        with suppress(BadDocument):
            if (receipt := self.receipt(job)) is not None:
                return JournalEntry(receipt.digest, self._salt(job, receipt.digest))
        return None

    def files(self, job: int) -> tuple[Path, Path]:
        """The output and the receipt of a remembered job, as they are to be published."""
        return self._folder / f"{job}.output", self._folder / f"{job}.receipt"

    def remember(self, job: int, receipt: Receipt, output: bytes | memoryview) -> JournalEntry:
        """Keep everything of a job with the salt of its receipt, durably; the entry to commit to.

        An entry is written once. Of two processes of one account the second gets the first one's: whatever salt is
        committed to can be revealed by both. Errors: BadKey for a damaged entry.
        """
        entry = JournalEntry(receipt.digest, self._salt(job, receipt.digest))
        write_private(self._folder / f"{job}.output", output)
        write_private(self._folder / f"{job}.receipt", receipt.to_bytes())
        fields = json.dumps({"receipt": entry.receipt, "salt": entry.salt, "version": __version__}).encode()
        write_private_once(self._folder / f"{job}.json", fields)
        kept = self.get(job)
        assert kept is not None
        return kept

    def jobs(self) -> list[int]:
        """Numbers of the jobs of which something is here."""
        names = {each.name.partition(".")[0] for each in self._folder.iterdir()}
        return sorted(int(name) for name in names if name.isdecimal())

    def size(self, job: int) -> int:
        """Bytes of a job's entry and output; 0 once it is forgotten."""
        files = [self._folder / f"{job}.{suffix}" for suffix in FORGOTTEN]
        return sum(each.stat().st_size for each in files if each.is_file())

    def receipt(self, job: int) -> Receipt | None:
        """The receipt of a remembered job; None where there is none. Errors: BadDocument."""
        path = self._folder / f"{job}.receipt"
        return Receipt.from_bytes(path.read_bytes()) if path.is_file() else None

    def evaluation(self, job: int) -> Evaluation | None:
        """What was computed of a job, its output mapped; None where it is not here any more. Errors: BadDocument."""
        receipt, path = self.receipt(job), self._folder / f"{job}.output"
        if receipt is None or not path.is_file():
            return None
        with path.open("rb") as file:
            return Evaluation(receipt, memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))

    def receipt_cid(self, job: int) -> CidText:
        """What the store calls a job's receipt."""
        return file_cid((self._folder / f"{job}.receipt").read_bytes())

    def forget(self, job: int) -> None:
        """Drop the salt and the output of a job that is over; the receipt, which is small, says what was published."""
        for suffix in FORGOTTEN:
            (self._folder / f"{job}.{suffix}").unlink(missing_ok=True)

    def forget_receipt(self, job: int) -> None:
        """Drop the receipt too, once what was published is gone."""
        (self._folder / f"{job}.receipt").unlink(missing_ok=True)
