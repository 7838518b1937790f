"""Writes a CycloneDX bill of materials for each lock: what is installed, by which bytes, under which license.

    python scripts/sbom.py               # build/sbom/LOCK.cdx.json, one for each lock and one for the contracts
    python scripts/sbom.py --licenses    # locks/licenses.csv anew, from what the installed packages say of themselves

Everything but the licenses comes from the locks: names, versions, the hashes of every file that may be installed, on
which platforms, and who asks for what. The same locks give the same bytes. Form: CycloneDX 1.6 (ECMA-424).
"""

from __future__ import annotations

import base64
import csv
import importlib.metadata
import json
import re
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "locks"
LICENSES = LOCKS / "licenses.csv"
CONTRACTS = ROOT / "contracts" / "package-lock.json"
PACKAGE = "darkroom-market"
NAMESPACE = uuid.UUID("8c7b2a1e-6d0f-5f3b-9a52-3d1f0c5b7e11")  # of serial numbers, which follow from the contents

# What packages write into their metadata, as SPDX has it.
SPDX = {
    "3-Clause BSD License": "BSD-3-Clause", "Apache 2.0": "Apache-2.0", "Apache License 2.0": "Apache-2.0",
    "Apache License v2.0": "Apache-2.0", "Apache Software License": "Apache-2.0", "BSD": "BSD-3-Clause",
    "BSD 2-Clause License": "BSD-2-Clause", "BSD 3-Clause License": "BSD-3-Clause", "BSD License": "BSD-3-Clause",
    "BSD-3": "BSD-3-Clause", "CC0": "CC0-1.0", "ISC License": "ISC", "ISC License (ISCL)": "ISC",
    "MIT Licence": "MIT", "MIT License": "MIT", "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "NVIDIA Proprietary Software": "LicenseRef-NVIDIA-Proprietary", "new BSD": "BSD-3-Clause",
    "new BSD 3-Clause": "BSD-3-Clause",
}  # fmt: skip
READ = {  # in the files of packages whose metadata say nothing of use
    "brevitas": "BSD-3-Clause", "mlcroissant": "Apache-2.0", "numpy": "BSD-3-Clause", "polars": "MIT",
    "pycryptodome": "BSD-2-Clause AND Unlicense", "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "scipy": "BSD-3-Clause",
}  # fmt: skip


@dataclass
class Locked:
    """One line of a lock: a version of a package, with what may be installed as it."""

    name: str
    version: str
    marker: str
    hashes: list[str] = field(default_factory=list)  # SHA-256 of each file
    via: list[str] = field(default_factory=list)  # who asks for it

    @property
    def purl(self) -> str:
        """Its package URL."""
        return f"pkg:pypi/{self.name}@{self.version}"


def read_lock(text: str) -> list[Locked]:
    """The packages of a lock, in its order. Errors: ValueError for a line that is none of a lock."""
    found: list[Locked] = []
    for line in text.splitlines():
        bare = line.strip().removesuffix("\\").strip()
        if match := re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;]+)(?: ; (.+))?", bare):
            found.append(Locked(match[1].lower(), match[2], match[3] or ""))
        elif match := re.fullmatch(r"--hash=sha256:([0-9a-f]{64})", bare):
            found[-1].hashes.append(match[1])
        elif match := re.fullmatch(r"# (?:via )?\s*([A-Za-z0-9][A-Za-z0-9._-]*)(?: .*)?", bare):
            if found and match[1] != "via":
                found[-1].via.append(match[1].lower())
        elif bare and not bare.startswith("#"):
            raise ValueError(f"This is no line of a lock: {bare[:80]}")
    return found


def bill(name: str, locked: list[Locked], licenses: dict[str, str]) -> dict[str, Any]:
    """A lock as a CycloneDX document. Errors: KeyError for a package without a license."""
    parts = [
        {
            "type": "library",
            "bom-ref": each.purl + (f"#{place}" if _twice(each, locked) else ""),
            "name": each.name,
            "version": each.version,
            "purl": each.purl,
            "licenses": [{"expression": licenses[each.name]}],
            "hashes": [{"alg": "SHA-256", "content": content} for content in each.hashes],
            **({"properties": [{"name": "darkroom:installed-where", "value": each.marker}]} if each.marker else {}),
        }
        for place, each in enumerate(locked)
    ]
    refs: dict[str, list[str]] = {}
    for each, part in zip(locked, parts, strict=True):
        for parent in each.via:
            refs.setdefault(parent, []).append(str(part["bom-ref"]))
    needs = [{"ref": part["bom-ref"], "dependsOn": sorted(refs.get(str(part["name"]), []))} for part in parts]
    ours = {"ref": f"{PACKAGE}-{name}", "dependsOn": sorted(refs.get(PACKAGE, []))}
    return _document(name, parts, [ours, *needs])


def _twice(one: Locked, locked: list[Locked]) -> bool:
    return sum(each.purl == one.purl for each in locked) > 1


def contracts_bill(lock: dict[str, Any]) -> dict[str, Any]:
    """What the contracts are compiled with, from npm's lock."""
    parts = []
    for path, each in sorted(lock["packages"].items()):
        if not path or each.get("link"):
            continue
        name = path.rpartition("node_modules/")[2]
        algorithm, _, content = each.get("integrity", "").partition("-")
        hashes = [{"alg": algorithm.upper().replace("SHA", "SHA-"), "content": base64.b64decode(content).hex()}]
        license = each.get("license", "")
        parts.append(
            {
                "type": "library",
                "bom-ref": f"pkg:npm/{name.replace('@', '%40')}@{each['version']}#{path}",
                "name": name,
                "version": each["version"],
                "purl": f"pkg:npm/{name.replace('@', '%40')}@{each['version']}",
                **({"licenses": [{"expression": license}]} if license else {}),
                **({"hashes": hashes} if content else {}),
            }
        )
    return _document("contracts", parts, [])


def _document(name: str, parts: list[dict[str, Any]], needs: list[dict[str, Any]]) -> dict[str, Any]:
    version = re.findall(r'^__version__ = "(.+)"', (ROOT / "app" / "__init__.py").read_text("utf-8"), re.MULTILINE)[0]
    body = {
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": f"{PACKAGE}-{name}",
                "name": f"{PACKAGE} ({name})",
                "version": version,
                "licenses": [{"expression": "Apache-2.0"}],
            }
        },
        "components": parts,
        "dependencies": needs,
    }
    serial = uuid.uuid5(NAMESPACE, json.dumps(body, sort_keys=True))
    head = {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{serial}", "version": 1}
    return head | body


def read_licenses() -> dict[str, str]:
    """The license of each package of any lock, as an SPDX expression."""
    with LICENSES.open(encoding="utf-8", newline="") as file:
        return {row["package"]: row["license"] for row in csv.DictReader(file)}


def said(name: str) -> str:
    """What an installed package says of its license, as an SPDX expression; "" where it says nothing of use."""
    told = importlib.metadata.metadata(name)
    if "License-Expression" in told:
        return str(told["License-Expression"])
    plain = str(told["License"]).strip().split("\n")[0] if "License" in told else ""
    named = [str(each) for each in told.get_all("Classifier") or ()]
    classes = [each.split(" :: ")[-1] for each in named if each.startswith("License ::")]
    for word in (plain, *classes):
        if word in SPDX or re.fullmatch(r"[A-Za-z]+-[0-9][A-Za-z0-9.-]*|MIT|MPL-2.0 AND MIT|LicenseRef-.+", word):
            return SPDX.get(word, word)
    return ""


def _told(name: str, known: dict[str, str]) -> str:
    """What a package says, or else what is known of it already."""
    try:
        return said(name) or known.get(name, "")
    except importlib.metadata.PackageNotFoundError:
        return known.get(name, "")


def locks() -> dict[str, list[Locked]]:
    """Every lock by its name."""
    return {path.stem: read_lock(path.read_text("utf-8")) for path in sorted(LOCKS.glob("*.txt"))}


def main(words: list[str]) -> None:
    """As the module says."""
    if words == ["--licenses"]:
        names = sorted({each.name for lock in locks().values() for each in lock})
        known = read_licenses()
        rows = [{"package": name, "license": READ.get(name) or _told(name, known)} for name in names]
        with LICENSES.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["package", "license"], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        missing = ", ".join(row["package"] for row in rows if not row["license"])
        print("Written: locks/licenses.csv." + (f" Without a license: {missing}." if missing else ""))
        return
    folder = ROOT / "build" / "sbom"
    folder.mkdir(parents=True, exist_ok=True)
    licenses = read_licenses()
    bills = {name: bill(name, lock, licenses) for name, lock in locks().items()}
    for name, document in (bills | {"contracts": contracts_bill(json.loads(CONTRACTS.read_text("utf-8")))}).items():
        (folder / f"{name}.cdx.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        print(f"Written: build/sbom/{name}.cdx.json, {len(document['components'])} components.")


if __name__ == "__main__":
    main(sys.argv[1:])
