"""Forged, stretched and shifted signatures of mandates: a part of the attacks that `mandate_attacks` runs."""

from __future__ import annotations

import os
from typing import Any

from app.protocol.market.mandate import Mandate, SignedMandate
from tests.support.mandates import LICENSE_PRICE, SCORES, Attempt, MandateStage, attack, id_of
from tests.support.market import DOLLAR

CURVE = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # secp256k1's order

# A contract wallet (ERC-1271): it stands by every signature until anybody calls it with less than 37 bytes.
WALLET = bytes.fromhex(
    "602a600c600039602a6000f3"  # creation: the 42 bytes that follow
    "36602410600d57600160005500"  # a short call is remembered in word 0
    "5b600054602457631626ba7e60e01b60005260206000f3"  # the magic value, unless there was one
    "5b60206000f3"  # nothing then
)


def with_proof(signed: SignedMandate, proof: bytes) -> SignedMandate:
    """The same terms under another signature."""
    return signed.model_copy(update={"signature": proof.hex()})


def bare(signed: SignedMandate, **terms: Any) -> SignedMandate:
    """The same signature under other terms."""
    return signed.model_copy(update={"mandate": signed.mandate.model_copy(update=terms)})


# --- signatures


@attack("signed by the agent itself", "BadMandateSignature")
def _self_signed(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    proof = scene.sign_as(scene.agent, signed.mandate)
    return lambda: scene.buy(with_proof(signed, proof)), signed.mandate


@attack("no signature", "BadMandateSignature")
def _unsigned(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    return lambda: scene.buy(with_proof(signed, b"")), signed.mandate


@attack("random bytes as a signature", "BadMandateSignature")
def _noise(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    return lambda: scene.buy(with_proof(signed, os.urandom(64) + b"\x1b")), signed.mandate


@attack("the other root of the signature", "BadMandateSignature")
def _malleable(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    proof = bytes.fromhex(signed.signature)
    high = CURVE - int.from_bytes(proof[32:64], "big")
    other = proof[:32] + high.to_bytes(32, "big") + bytes([55 - proof[64]])
    return lambda: scene.buy(with_proof(signed, other)), signed.mandate


@attack("the signature in its short form", "BadMandateSignature")
def _compact(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    proof = bytearray(bytes.fromhex(signed.signature))
    proof[32] |= (proof[64] - 27) << 7
    return lambda: scene.buy(with_proof(signed, bytes(proof[:64]))), signed.mandate


@attack("the digest signed as a message", "BadMandateSignature")
def _personal(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    proof = bytes.fromhex(scene.payer.sign_digest(id_of(signed)))
    return lambda: scene.buy(with_proof(signed, proof)), signed.mandate


@attack("signed for another chain", "BadMandateSignature")
def _other_chain(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    proof = scene.sign_as(scene.payer, signed.mandate, chainId=1)
    return lambda: scene.buy(with_proof(signed, proof)), signed.mandate


@attack("signed for another contract", "BadMandateSignature")
def _other_contract(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    proof = scene.sign_as(scene.payer, signed.mandate, verifyingContract=scene.market.address)
    return lambda: scene.buy(with_proof(signed, proof)), signed.mandate


@attack("a greater budget under the same signature", "BadMandateSignature")
def _inflated(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    return lambda: scene.buy(bare(signed, budget=1000 * DOLLAR)), signed.mandate


@attack("a later end under the same signature", "BadMandateSignature")
def _prolonged(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed(not_after=scene.market.now() - 1)
    return lambda: scene.buy(bare(signed, not_after=1 << 40)), signed.mandate


@attack("one dataset more under the same signature", "BadMandateSignature")
def _widened(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    return lambda: scene.buy(bare(signed, policies=(SCORES,)), scene.scores_offer), signed.mandate


@attack("the thief's address as the agent's", "BadMandateSignature")
def _renamed(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    return lambda: scene.buy(bare(signed, agent=scene.thief.address), sender=scene.thief), signed.mandate


@attack("a stolen mandate in a thief's hands", "NotAgent")
def _stolen(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    return lambda: scene.buy(signed, sender=scene.thief), signed.mandate


@attack("a contract wallet whose signer was taken away", "BadMandateSignature")
def _wallet(scene: MandateStage) -> tuple[Attempt, Mandate]:
    client = scene.market.client
    wallet = client.transact(scene.thief, None, WALLET).contract
    assert wallet is not None
    mandate = scene.mandate(payer=wallet)
    scene.market.fund_mandate(scene.thief, mandate, 2 * LICENSE_PRICE)
    signed = SignedMandate(mandate=mandate, signature="00")
    scene.buy(signed)
    client.transact(scene.thief, wallet, b"\x01")
    return lambda: scene.buy(signed), mandate
