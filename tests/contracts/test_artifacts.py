"""The committed artifacts: what the sources compile to, whole, and recognisable on a chain."""

from __future__ import annotations

import re

import pytest

import contracts
from tests.contracts.tooling import CONTRACTS, run

MAX_RUNTIME = 24_576  # EIP-170


@pytest.mark.node
def test_the_sources_compile_to_the_committed_artifacts() -> None:
    """The pinned compiler gives, byte for byte, what users install."""
    done = run("node", str(CONTRACTS / "build.mjs"), "--check")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", contracts.NAMES + contracts.BESIDE)
def test_an_artifact_is_deployable(name: str) -> None:
    """Each contract has code below the chain's limit, and its ABI describes its constructor and its errors."""
    artifact = contracts.load(name)
    assert 0 < len(artifact.deployed_bytecode) <= MAX_RUNTIME
    assert artifact.deployed_bytecode[-32:] in artifact.bytecode
    assert artifact.compiler.startswith("0.8.37+")
    assert name == "LineRules" or any(item["type"] == "constructor" for item in artifact.abi)  # it has no state
    assert any(item["type"] == "error" for item in artifact.abi)


def test_an_unknown_contract_is_named_with_the_known_ones() -> None:
    """Asking for what is not there says what is."""
    with pytest.raises(KeyError, match="JobMarket"):
        contracts.load("Owner")


def test_code_is_recognised_whatever_its_immutables_and_nothing_else() -> None:
    """A deployment differs from the artifact in its immutables alone; any other byte makes it another contract."""
    artifact = contracts.load("JobMarket")
    deployed = bytearray(artifact.deployed_bytecode)
    for start, length in artifact.immutables:
        deployed[start : start + length] = bytes([7]) * length
    assert artifact.immutables
    assert artifact.matches(bytes(deployed))
    filled = {at for start, length in artifact.immutables for at in range(start, start + length)}
    spare = min(set(range(len(deployed))) - filled)
    deployed[spare] ^= 1
    assert not artifact.matches(bytes(deployed))
    assert not artifact.matches(bytes(deployed[:-1]))
    assert not artifact.matches(b"")


def test_no_contract_has_an_owner_a_proxy_or_a_way_to_end_itself() -> None:
    """What could change the rules or take the money is in no source."""
    forbidden = re.compile(r"\b(Ownable|onlyOwner\(\)|delegatecall|selfdestruct|upgradeTo|AccessControl|Proxy)\b")
    for path in (CONTRACTS / "src").rglob("*.sol"):
        assert not forbidden.search(path.read_text(encoding="utf-8")), path.name


def test_every_revert_is_a_custom_error() -> None:
    """No reason is a text: errors have names and values that clients can read."""
    for path in (CONTRACTS / "src").rglob("*.sol"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\brequire\(|revert\(", text), path.name


def test_every_external_function_is_documented() -> None:
    """NatSpec stands before each external or public function of the sources."""
    for path in (CONTRACTS / "src").glob("*.sol"):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if re.match(r"    function \w+\(", line):
                head = " ".join(lines[number : number + 14]).split("{")[0].split(";")[0]
                if re.search(r"\b(external|public)\b", head):
                    assert lines[number - 1].strip().startswith("///"), f"{path.name}: {line.strip()}"
