"""What the facade computes and checks by itself: commitments, reasons, signatures, a node's word."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.chain.contracts.client import ContractClient
from app.chain.contracts.entities import commitment, reason_to_word, word_to_reason
from app.chain.evm.embedded import EmbeddedChain
from app.chain.market import Market
from app.chain.node import DevNode, Log, Topics
from app.protocol.errors import BadInput, Unavailable, VerificationFailed
from app.protocol.ids import Address, Digest
from tests.support.market import ETHER, MarketOnChain, digest, person


class LyingNode:
    """A node whose events say something else than its state."""

    def __init__(self, honest: EmbeddedChain, old: str, new: str) -> None:
        self._honest, self._old, self._new = honest, bytes.fromhex(old), bytes.fromhex(new)

    def __getattr__(self, name: str) -> object:
        return getattr(self._honest, name)

    def logs(self, first: int, last: int, addresses: Collection[str], topics: Topics = ()) -> Sequence[Log]:
        logs = self._honest.logs(first, last, addresses, topics)
        return [replace(log, data=log.data.replace(self._old, self._new)) for log in logs]


@pytest.mark.parametrize("label", ["manifest", "root", "profile"])
def test_a_node_that_lies_about_a_dataset_is_found_out(
    embedded_stage: MarketOnChain, staged_chain: EmbeddedChain, label: str
) -> None:
    """Digests from events are checked against the word in the registry's storage."""
    honest = embedded_stage.market.client
    lying = LyingNode(staged_chain, digest(label), digest("something else"))
    client = ContractClient(lying, list(honest.contracts.values()))  # type: ignore[arg-type]
    with pytest.raises(VerificationFailed, match="not those that the registry holds"):
        Market(client, embedded_stage.market.deployment).dataset(1)


WORD = st.binary(min_size=32, max_size=32).map(bytes.hex)


def test_the_commitment_is_the_contracts_own(embedded_stage: MarketOnChain) -> None:
    """Our formula and JobMarket.commitmentFor agree, and every input changes it."""
    market, who = embedded_stage.market, embedded_stage.buyer.address

    @given(job=st.integers(0, 2**256 - 1), receipt=WORD, salt=WORD)
    def agree(job: int, receipt: str, salt: str) -> None:
        ours = commitment(market.chain_id, Address(market.address), job, who, Digest(receipt), salt)
        assert ours == market.client.read("JobMarket", "commitmentFor", job, who, receipt, salt)

    agree()
    base = (1, market.address, 1, who, digest("r"), digest("s"))
    others = [(2, *base[1:]), (1, who, *base[2:]), (*base[:2], 2, *base[3:]), (*base[:3], market.address, *base[4:])]
    others += [(*base[:4], digest("x"), base[5]), (*base[:5], digest("x"))]
    assert len({commitment(*each) for each in [base, *others]}) == 7


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=32))
def test_a_reason_survives_its_word(reason: str) -> None:
    """A refusal's code of up to 32 ASCII letters comes back as it was."""
    assert word_to_reason(reason_to_word(reason)) == reason


@pytest.mark.parametrize("reason", ["", "x" * 33, "Grün"])
def test_a_reason_that_does_not_fit_is_refused(reason: str) -> None:
    """Empty, too long or not ASCII: BadInput before anything is sent."""
    with pytest.raises(BadInput):
        reason_to_word(reason)


ANY_SIGNATURE_WALLET = "631626ba7e60e01b5f5260205ff3"  # PUSH4 magic, SHL 224, MSTORE 0, RETURN 32 bytes
NO_SIGNATURE_WALLET = "5f5ffd"  # REVERT


def test_a_node_that_is_busy_calls_no_signature_missing(
    market: Market, node: DevNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wallet's word that cannot be asked for now is unknown, and not a no."""

    def busy(*_: object) -> bytes:
        raise Unavailable("The chain node limits how often it is asked.", "Ask it less often.")

    signer, word = person("signer"), digest("decision")
    monkeypatch.setattr(node, "code", lambda _: b"\x01")
    for name in ("call", "calls"):
        monkeypatch.setattr(node, name, busy)
    with pytest.raises(Unavailable):
        market.signed_by(person("wallet").address, word, signer.sign_digest(word))


def test_signatures_of_keys_and_of_contract_wallets(market: Market, node: DevNode) -> None:
    """A digest is signed by its key's address, by a wallet contract that says so, and by nobody else."""
    signer, word = person("signer"), digest("decision")
    signature = signer.sign_digest(word)
    assert market.signed_by(signer.address, word, signature)
    assert not market.signed_by(signer.address, digest("another"), signature)
    assert not market.signed_by(person("other").address, word, signature)
    assert not market.signed_by(signer.address, word, "no hex")
    node.fund(signer.address, ETHER)
    wallets = []
    for code in (ANY_SIGNATURE_WALLET, NO_SIGNATURE_WALLET):
        create = f"60{len(code) // 2:02x}600a5f3960{len(code) // 2:02x}5ff3"
        receipt = market.client.transact(signer, None, bytes.fromhex(f"{create:0<20}"[:20] + code))
        wallets.append(receipt.contract)
    willing, unwilling = wallets
    assert willing
    assert unwilling
    assert market.signed_by(willing, word, signature)
    assert not market.signed_by(unwilling, word, signature)
