"""A buyer's compiled models: each a card that says what it means, and the circuit that it runs as.

A model is named by the digest of its card. Circuits are named by their own digests, which is all that the market knows;
two models of one circuit (other labels, another scale) live side by side. Both are documents, so keeping and loading
them runs nobody's code. The fitted model itself stays where it was trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from app.files.private import write_private
from app.protocol.documents import Document, sha256
from app.protocol.errors import BadDocument, NotFound
from app.protocol.ids import Digest
from fhe.circuit import codec
from fhe.circuit.circuit import Circuit
from fhe.compile.decoder import Decoder
from fhe.compile.faithful import Faithfulness

if TYPE_CHECKING:
    from fhe.compile import Compiled


Measure = Literal["accuracy", "r2"]


class TrainingReport(Document):
    """How a model was trained here, and how well its circuit does: on rows held out, and on those it was trained on."""

    settings: dict[str, str]  # hyperparameters that were set
    rows: int  # trained on
    held_out: int
    seed: int  # of the choice of rows to hold out
    measure: Measure
    score: float | None  # on the rows held out; None where there were none
    training_score: float | None


class ModelCard(Document):
    """Everything that a model means; its digest is the model's name on the buyer's machine. Never published."""

    kind: Literal["darkroom/model"] = "darkroom/model"
    decoder: Decoder  # names the circuit
    features: tuple[str, ...]  # columns of the dataset that it reads, in the circuit's order
    target: str | None = None  # what it predicts, in the buyer's own word
    faithfulness: Faithfulness | None = None  # what comparing the circuit with the given model found
    training: TrainingReport | None = None  # None for a model that was brought


@dataclass(frozen=True)
class Model:
    """What a buyer keeps of a compiled model."""

    digest: Digest  # of the card
    card: ModelCard
    circuit: Circuit
    data: bytes  # the circuit's canonical bytes, as they are published

    @property
    def decoder(self) -> Decoder:
        """What the circuit's outputs mean in this model."""
        return self.card.decoder

    @property
    def circuit_digest(self) -> str:
        """What chain, providers and custodians call it."""
        return self.card.decoder.circuit


class ModelStore:
    """Models in a folder of the buyer's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, compiled: Compiled, *, target: str | None = None, training: TrainingReport | None = None) -> Model:
        """Keep what a job and its result need of a compiled model. Errors: BadDocument for another's decoder."""
        data = codec.encode(compiled.circuit)
        if compiled.decoder.circuit != sha256(data):
            raise BadDocument("The decoder belongs to another circuit.", "Compile the model again.")
        features = tuple(dict.fromkeys(wire.column for wire in compiled.circuit.inputs))
        card = ModelCard(
            decoder=compiled.decoder,
            features=features,
            target=target,
            faithfulness=compiled.faithfulness,
            training=training,
        )
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(self._path(compiled.decoder.circuit, "circuit"), data)
        write_private(self._path(card.digest, "model"), card.to_bytes())
        return Model(card.digest, card, compiled.circuit, data)

    def find(self, digest: str) -> Model:
        """The only model whose digest begins so, or else whose circuit's does. Errors: NotFound, BadDocument."""
        matches = [name for name in self.digests() if name.startswith(digest)]
        if not matches:
            matches = [model.digest for model in self.all() if model.circuit_digest.startswith(digest)]
        if not matches and any(path.stem.startswith(digest) for path in self._folder.glob("*.decoder")):
            raise BadDocument(
                f"Model {digest[:16]} was kept by an earlier edition, which mixed up models of one circuit.",
                "Compile it again: darkroom model compile.",
            )
        if len(matches) != 1:
            raise NotFound(
                f"{len(matches)} of your models have a digest that begins with {digest[:16]!r}.",
                "List them: darkroom model list.",
            )
        return self._load(matches[0])

    def of_circuit(self, circuit: str) -> list[Model]:
        """All models that run as the circuit of this digest. Errors: BadDocument."""
        return [model for model in self.all() if model.circuit_digest == circuit]

    def all(self) -> list[Model]:
        """All models that are kept here. Errors: BadDocument."""
        return [self._load(digest) for digest in self.digests()]

    def digests(self) -> list[Digest]:
        """Digests of the models that are kept here."""
        return sorted(Digest(path.stem) for path in self._folder.glob("*.model"))

    def _load(self, digest: Digest) -> Model:
        meaning = self._path(digest, "model").read_bytes()
        changed = BadDocument(f"The files of model {digest[:16]} were changed.", "Compile the model again.")
        if sha256(meaning) != digest:
            raise changed
        card = ModelCard.from_bytes(meaning)
        path = self._path(card.decoder.circuit, "circuit")
        data = path.read_bytes() if path.is_file() else b""
        if sha256(data) != card.decoder.circuit:
            raise changed
        return Model(digest, card, codec.decode(data), data)

    def _path(self, digest: str, kind: str) -> Path:
        return self._folder / f"{digest}.{kind}"
