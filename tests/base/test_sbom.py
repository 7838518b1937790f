"""What is installed is listed: each lock as a CycloneDX document, and the license of every package."""

from __future__ import annotations

import importlib.metadata
import json
import re
from typing import Any

import pytest

from scripts.sbom import CONTRACTS, READ, bill, contracts_bill, locks, read_licenses, read_lock, said

LOCKS = locks()
LICENSES = read_licenses()
COPYLEFT = {"psycopg": "LGPL-3.0-only", "psycopg-binary": "LGPL-3.0-only"}
WEAK = {"certifi", "hypothesis", "pathspec", "tqdm"}  # MPL: the file that is changed stays open


def test_every_package_has_its_license() -> None:
    """locks/licenses.csv names exactly the packages of the locks, each with a license that is one."""
    names = {each.name for lock in LOCKS.values() for each in lock}
    assert set(LICENSES) == names
    assert [name for name, license in LICENSES.items() if not license] == []
    assert {name for name, license in LICENSES.items() if "MPL" in license} == WEAK
    assert {name: license for name, license in LICENSES.items() if re.search(r"GPL", license)} == COPYLEFT


def test_licenses_are_what_the_packages_say() -> None:
    """Of each package that is installed here and says something of use in its metadata."""
    compared = 0
    for name, license in LICENSES.items():
        try:
            told = said(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        compared += bool(told)
        assert name in READ or told == license, name
    assert compared > 150


def test_providers_and_owners_install_nothing_without_a_patent_license() -> None:
    """BSD-3-Clause-Clear and proprietary libraries come with a buyer's part alone."""
    odd = {name for name, license in LICENSES.items() if "Clear" in license or license.startswith("LicenseRef")}
    assert {"concrete-ml", "concrete-ml-extensions"} < odd
    for lock in ("provider", "owner", "build", "uv"):
        assert odd.isdisjoint(each.name for each in LOCKS[lock]), lock


@pytest.mark.parametrize("name", sorted(LOCKS))
def test_a_bill_lists_its_lock(name: str) -> None:
    """Each version with all its hashes, references that are there, the same bytes each time."""
    lock = LOCKS[name]
    document = bill(name, lock, LICENSES)
    assert document == bill(name, read_lock("\n".join(_lines(name))), LICENSES)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", document["serialNumber"])
    text = "\n".join(_lines(name))
    listed = {(part["name"], part["version"]) for part in document["components"]}
    assert listed == {(found.lower(), version) for found, version in re.findall(r"^(\S+)==(\S+)", text, re.MULTILINE)}
    assert sum(len(part["hashes"]) for part in document["components"]) == text.count("--hash=sha256:")
    assert all(part["hashes"] for part in document["components"])
    _refer(document)


def test_a_bill_says_who_asks_for_what() -> None:
    """The lock's own notes become edges: from our package to what it names, and on."""
    document = bill("provider", LOCKS["provider"], LICENSES)
    edges = {each["ref"]: each["dependsOn"] for each in document["dependencies"]}
    assert any(ref.startswith("pkg:pypi/fastapi@") for ref in edges["darkroom-market-provider"])
    (fastapi,) = [ref for ref in edges if ref.startswith("pkg:pypi/fastapi@")]
    assert any(ref.startswith("pkg:pypi/starlette@") for ref in edges[fastapi])


def test_the_contracts_parts_are_listed() -> None:
    """OpenZeppelin, whose code is in the bytecode, and the compiler, by npm's own hashes."""
    document = contracts_bill(json.loads(CONTRACTS.read_text("utf-8")))
    found = {part["name"]: part for part in document["components"]}
    assert {"@openzeppelin/contracts", "solc"} <= set(found)
    assert found["@openzeppelin/contracts"]["licenses"] == [{"expression": "MIT"}]
    for part in found.values():
        for each in part.get("hashes", []):
            assert each["alg"] == "SHA-512"
            assert len(each["content"]) == 128
    _refer(document)


def test_a_line_that_is_none_of_a_lock_is_refused() -> None:
    """A lock in another form is not read as a shorter one."""
    with pytest.raises(ValueError, match="no line of a lock"):
        read_lock("numpy>=1\n")


def _lines(name: str) -> list[str]:
    from scripts.sbom import LOCKS as FOLDER

    return (FOLDER / f"{name}.txt").read_text("utf-8").splitlines()


def _refer(document: dict[str, Any]) -> None:
    """Every reference is unique, and every edge leads to one."""
    refs = [part["bom-ref"] for part in document["components"]]
    assert len(set(refs)) == len(refs)
    known = {*refs, document["metadata"]["component"]["bom-ref"]}
    for each in document["dependencies"]:
        assert {each["ref"], *each["dependsOn"]} <= known
