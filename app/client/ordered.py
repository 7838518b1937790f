"""Which model each job was ordered with, on the buyer's machine: the chain knows a job's circuit alone."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

from app.client.models import Model, ModelStore
from app.files.private import write_private
from app.protocol.documents import Document, Sha256, canonical, sha256
from app.protocol.errors import BadDocument, BadModel, UsageError
from app.protocol.ids import Digest
from app.protocol.market.entities import Job, JobState
from fhe.circuit.circuit import Circuit

AGAIN = (JobState.EXPIRED, JobState.FAILED)  # refunded, the license's use too: the order may be given again
KnownBy = Literal["order", "circuit", "name"]  # why a result was opened with a model: ordered here, the only one, named


def purpose_of(kind: str, *facts: str | int) -> str:
    """The name by which this machine knows an order again: 64 hex digits over what is asked for."""
    return sha256(canonical([kind, *facts]))


class Runnable(Protocol):
    """What has a circuit to judge: a model, compiled or kept, or a question."""

    @property
    def circuit(self) -> Circuit:
        """What providers would evaluate."""


class Orderable(Runnable, Protocol):
    """What a job can be ordered with: a kept model, or a question."""

    @property
    def digest(self) -> Digest:
        """Its name on this machine."""

    @property
    def circuit_digest(self) -> str:
        """What chain, providers and custodians call its circuit."""

    @property
    def data(self) -> bytes:
        """The circuit's canonical bytes, as they are published."""


class OrderNote(Document):
    """One job, and the model that it was ordered with."""

    kind: Literal["darkroom/order"] = "darkroom/order"
    chain_id: int
    market: str  # the job contract's address
    job: int
    model: Sha256


class Orders:
    """The notes of one market's jobs in a folder of the buyer's own."""

    def __init__(self, folder: Path, chain_id: int, market: str) -> None:
        self._folder, self._chain_id, self._market = folder, chain_id, market

    def prepare(self) -> None:
        """Make sure that a note can be written, before anything is paid. Errors: OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def note(self, job: int, model: Orderable) -> None:
        """Remember the model of a job that was opened."""
        self.prepare()
        note = OrderNote(chain_id=self._chain_id, market=self._market, job=job, model=model.digest)
        write_private(self._path(job), note.to_bytes())

    def model_of(self, job: Job, models: ModelStore, named: Model | None = None) -> tuple[Model, KnownBy] | None:
        """The model that a job's result means, and how that is known; None where it is not here.

        It is the one that was `named`, else the one that the job was ordered with, else the only one of its circuit.
        Errors: BadModel for a named one of another circuit; UsageError where one of several has to be named.
        """
        if named is not None:
            if named.circuit_digest != job.circuit:
                raise BadModel(
                    f"Job {job.id} ran another circuit than model {named.digest[:16]}.",
                    "List your models with their circuits: darkroom model list.",
                )
            return named, "name"
        noted = self._noted(job.id)
        found = models.of_circuit(job.circuit)
        if noted is not None:
            return next(((model, "order") for model in found if model.digest == noted), None)
        if len(found) > 1:
            raise UsageError(
                f"{len(found)} of your models have the circuit of job {job.id}, and nothing here says which was"
                " ordered.",
                f"Name it: darkroom result open {job.id} --model DIGEST.",
            )
        return (found[0], "circuit") if found else None

    def _noted(self, job: int) -> str | None:
        path = self._path(job)
        if not path.is_file():
            return None
        note = OrderNote.from_bytes(path.read_bytes())
        if (note.chain_id, note.market, note.job) != (self._chain_id, self._market, job):
            raise BadDocument(f"The note of order {job} is another's.", f"Remove {path} and name the model.")
        return note.model

    def _path(self, job: int) -> Path:
        return self._folder / f"{self._chain_id}-{self._market.lower()}-{job}.json"
