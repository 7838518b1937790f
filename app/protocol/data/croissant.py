"""The view of a manifest that the world reads: Croissant 1.1 over schema.org, with the license policy as an ODRL offer.

Vocabulary: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html (appendix 1 gives the context) and
https://www.w3.org/TR/odrl-model/. What they have no word for is in our namespace `dr`. The view is a pure function of
the manifest's strict part; see `app.protocol.data.manifest` for why nothing else may stand in it.
"""

from __future__ import annotations

from typing import Any

from app.protocol.data.dataset import Codebook, ColumnCode
from app.protocol.data.derivation import Source, derivation_in_words
from app.protocol.data.description import FileCheck, StrictManifest
from app.protocol.data.listing import RECORD_BYTES
from app.protocol.market.receipt import OutputPolicy

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
NAMESPACE = "urn:darkroom:ns:1#"
_CROISSANT_TERMS = (  # noqa: SIM905 - thirty quoted words are harder to read
    "annotation arrayShape citeAs column containedIn equivalentProperty excludes extract field fileProperty fileObject "
    "fileSet format includes isArray isLiveDataset jsonPath key md5 parentField path recordSet references regex "
    "readLines repeated replace samplingRate sdVersion separator source subField transform unArchive value"
).split()
_DATA_TYPES = {"integer": "sc:Integer", "boolean": "sc:Boolean"}
_SOURCE_TYPES = {"category": "sc:Text", "boolean": "sc:Boolean", "text": "sc:Text", "time": "sc:DateTime"}
# Every rule of the output policy, as the operand and operator of an ODRL constraint.
POLICY_TERMS = {
    "circuits": ("dr:circuitClass", "odrl:isAnyOf"),
    "release": ("dr:release", "odrl:eq"),
    "levels": ("dr:levels", "odrl:lteq"),
    "raw_scores": ("dr:rawScores", "odrl:eq"),
    "min_group": ("dr:groupRows", "odrl:gteq"),
    "max_rows_per_job": ("dr:rowsPerJob", "odrl:lteq"),
    "max_bootstraps": ("dr:bootstrapsPerJob", "odrl:lteq"),
    "max_rank": ("dr:rankPerRowRange", "odrl:lteq"),
    "max_concentration": ("dr:concentration", "odrl:lteq"),
    "epsilon_micro_per_job": ("dr:microEpsilonPerJob", "odrl:eq"),
    "micro_bits_per_license": ("dr:microBitsPerLicense", "odrl:lteq"),
    "micro_bits_per_person": ("dr:microBitsPerPerson", "odrl:lteq"),
    "verify": ("dr:verification", "odrl:eq"),
    "challenge_hours": ("dr:challengeHours", "odrl:gteq"),
    "quorum": ("dr:quorum", "odrl:gteq"),
    "approval": ("dr:approval", "odrl:eq"),
    "row_keys": ("dr:rowKeyBytes", "odrl:eq"),
}


def croissant(manifest: StrictManifest) -> dict[str, Any]:
    """The JSON-LD document of a manifest, as plain JSON values."""
    card, table = manifest.card, manifest.table
    document = {
        "@context": _context(),
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": card.title,
        "description": card.description,
        "license": _license(card.license),
        "url": card.url or f"urn:darkroom:data:{table.data_root}",
        "creator": {"@type": "sc:Organization", "name": card.creator},
        "datePublished": card.published,
        "version": card.version,
        "keywords": list(card.keywords),
        "citeAs": f"{card.creator}: {card.title}, version {card.version}, {card.published}.",
        "isAccessibleForFree": False,
        "usageInfo": _offer(manifest.policy),
        "distribution": _distribution(manifest),
        "darkroom": manifest.model_dump(mode="json"),
    }
    if manifest.preview is not None and table.listed is None:
        document["recordSet"] = [_preview(manifest)]
    return document


def _context() -> dict[str, Any]:
    context: dict[str, Any] = {term: f"cr:{term}" for term in _CROISSANT_TERMS}
    return context | {
        "@language": "en",
        "@vocab": "https://schema.org/",
        "sc": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "dct": "http://purl.org/dc/terms/",
        "odrl": "http://www.w3.org/ns/odrl/2/",
        "dr": NAMESPACE,
        "conformsTo": "dct:conformsTo",
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "examples": {"@id": "cr:examples", "@type": "@json"},
        "darkroom": {"@id": "dr:manifest", "@type": "@json"},
    }


def _license(text: str) -> str | dict[str, str]:
    is_link = text.startswith(("https://", "http://")) and not any(letter.isspace() for letter in text)
    return text if is_link else {"@type": "sc:CreativeWork", "name": "Terms of use", "text": text}


def _offer(policy: OutputPolicy) -> dict[str, Any]:
    values = policy.model_dump(mode="json")
    return {
        "@type": ["sc:CreativeWork", "odrl:Offer"],
        "name": "What a licensed job on the encrypted rows may release",
        "dr:policyDigest": policy.digest,
        "odrl:permission": {
            "@type": "odrl:Permission",
            "odrl:action": {"@id": "dr:compute"},
            "odrl:constraint": [
                {
                    "@type": "odrl:Constraint",
                    "odrl:leftOperand": {"@id": operand},
                    "odrl:operator": {"@id": operator},
                    "odrl:rightOperand": values[rule],
                }
                for rule, (operand, operator) in POLICY_TERMS.items()
                if rule in values  # later rules are left out where they say nothing
            ],
            "odrl:duty": {"@type": "odrl:Duty", "odrl:action": {"@id": "odrl:compensate"}},
        },
        "odrl:prohibition": {"@type": "odrl:Prohibition", "odrl:action": {"@id": "dr:reconstruct"}},
    }


def _distribution(manifest: StrictManifest) -> list[dict[str, Any]]:
    numbers = {column.name: number for number, column in enumerate(manifest.codebook.published)}
    named = [
        (f"shards/{shard}/columns/{numbers[file.column]}.{file.encoding}", file.cid)
        for shard, part in enumerate(manifest.table.shards)
        for file in part.files
    ]
    files = [
        _file(name, cid, "application/octet-stream", check)
        for (name, cid), check in zip(named, manifest.checks, strict=False)
    ]
    if (listed := manifest.table.listed) is not None:
        book = FileCheck(bytes=listed.codebook_bytes, sha256=listed.codebook_digest)
        records = FileCheck(bytes=listed.files * RECORD_BYTES, sha256=listed.sha256)
        files.append(_file("codebook.json", listed.codebook, "application/json", book))
        files.append(_file("files.bin", listed.cid, "application/octet-stream", records))
    if manifest.preview is not None:
        files.append(_file("preview.csv", manifest.preview.cid, "text/csv", manifest.preview.file))
    return files


def _file(name: str, cid: str, media_type: str, check: FileCheck) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": f"ipfs://{cid}",
        "contentSize": f"{check.bytes} B",
        "encodingFormat": media_type,
        "sha256": check.sha256,
    }


def _preview(manifest: StrictManifest) -> dict[str, Any]:
    codebook = manifest.codebook
    return {
        "@type": "cr:RecordSet",
        "@id": "preview",
        "name": "preview",
        "description": "Synthetic rows drawn from the codebook alone; they say nothing of the encrypted rows.",
        "field": [_field(number, name, codebook) for number, name in enumerate(codebook.source_names)],
    }


def _field(number: int, name: str, codebook: Codebook) -> dict[str, Any]:
    """A column of the owner's table, as the preview has it, and what is published of it."""
    source, columns = codebook.source(name), [column for column in codebook.columns if column.reads == name]
    kind = _SOURCE_TYPES[source.kind] if source else _DATA_TYPES.get(columns[0].dtype, "sc:Float")
    return {
        "@type": "cr:Field",
        "@id": f"preview/{number}",
        "name": name,
        "description": " ".join(_code_in_words(column, source) for column in columns),
        "dataType": kind,
        "source": {"fileObject": {"@id": "preview.csv"}, "extract": {"column": name}},
    }


def _code_in_words(column: ColumnCode, source: Source | None) -> str:
    parts = []
    if column.derivation is not None:
        parts.append(f"{column.name}: {derivation_in_words(column.derivation, column.reads, source)}")
    if column.affine is not None:
        parts.append(f"{column.affine.levels} levels of {column.affine.step:.6g} from {column.affine.low:.6g}")
    if column.bins is not None:
        parts.append(f"{len(column.bins)} bin edges from {column.bins[0]:.6g} to {column.bins[-1]:.6g}")
    return "; ".join(parts) + "."
