"""A buyer's compiled models: circuit and decoder side by side, named by the circuit's digest.

Both are documents, so keeping and loading them runs nobody's code. The fitted model itself stays where it was trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.files.private import write_private
from app.protocol.documents import sha256
from app.protocol.errors import BadDocument, NotFound
from fhe.circuit import codec
from fhe.circuit.circuit import Circuit
from fhe.compile.decoder import Decoder

if TYPE_CHECKING:
    from fhe.compile import Compiled


@dataclass(frozen=True)
class Model:
    """What a buyer keeps of a compiled model."""

    digest: str  # of the circuit
    circuit: Circuit
    decoder: Decoder
    data: bytes  # the circuit's canonical bytes, as they are published


class ModelStore:
    """Models in a folder of the buyer's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, compiled: Compiled) -> Model:
        """Keep what a job and its result need of a compiled model."""
        data = codec.encode(compiled.circuit)
        digest = sha256(data)
        if compiled.decoder.circuit != digest:
            raise BadDocument("The decoder belongs to another circuit.", "Compile the model again.")
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(self._path(digest, "circuit"), data)
        decoder = compiled.decoder.to_bytes()
        write_private(self._path(digest, "decoder"), f"{sha256(decoder)}\n".encode() + decoder)
        return Model(digest, compiled.circuit, compiled.decoder, data)

    def find(self, digest: str) -> Model:
        """The model whose circuit has this digest, or the only one that begins so. Errors: NotFound, BadDocument."""
        matches = [name for name in self.digests() if name.startswith(digest)]
        if len(matches) != 1:
            raise NotFound(
                f"{len(matches)} of your models have a digest that begins with {digest[:16]!r}.",
                "List them: darkroom model list.",
            )
        data = self._path(matches[0], "circuit").read_bytes()
        said, _, meaning = self._path(matches[0], "decoder").read_bytes().partition(b"\n")
        if sha256(data) != matches[0] or sha256(meaning).encode() != said:
            raise BadDocument(f"The files of model {matches[0][:16]} were changed.", "Compile the model again.")
        decoder = Decoder.from_bytes(meaning)
        if decoder.circuit != matches[0]:
            raise BadDocument(f"The decoder of model {matches[0][:16]} is another's.", "Compile the model again.")
        return Model(matches[0], codec.decode(data), decoder, data)

    def digests(self) -> list[str]:
        """Digests of the circuits that are kept here."""
        return sorted(path.stem for path in self._folder.glob("*.circuit"))

    def _path(self, digest: str, kind: str) -> Path:
        return self._folder / f"{digest}.{kind}"
