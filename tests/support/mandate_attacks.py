"""What an agent, a thief or a forger tries on a mandate: the chain's part of the attacks, as data.

Each attack sets its stage and returns the attempt and the mandate that is attacked. An attempt that is refused, for the
reason that stands beside its name, leaves payer and mandate what they had. `tests/attack/test_mandates.py` runs all of
them, and so does `python -m benchmarks agents`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from app.chain.contracts.abi import Interface
from app.chain.contracts.client import Contract, ContractClient
from app.protocol.errors import DarkroomError, Reverted
from app.protocol.market.mandate import Mandate, SignedMandate
from contracts import load
from tests.support.mandates import LICENSE_PRICE, SCORES, MandateStage, id_of, refused
from tests.support.market import DOLLAR, digest

CURVE = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # secp256k1's order
Attempt = Callable[[], object]
Setup = Callable[[MandateStage], tuple[Attempt, Mandate]]
CHAIN_ATTACKS: dict[str, tuple[Setup, str]] = {}  # the setup, and the reason of the refusal

# A contract wallet (ERC-1271): it stands by every signature until anybody calls it with less than 37 bytes.
WALLET = bytes.fromhex(
    "602a600c600039602a6000f3"  # creation: the 42 bytes that follow
    "36602410600d57600160005500"  # a short call is remembered in word 0
    "5b600054602457631626ba7e60e01b60005260206000f3"  # the magic value, unless there was one
    "5b60206000f3"  # nothing then
)


@dataclass(frozen=True)
class Tried:
    """What came of one attack."""

    name: str
    refused: str  # the reason; "" where nothing refused it
    expected: str
    stolen: int  # token units that payer and mandate have less
    honest: bool  # the honest agent beside it went through

    @property
    def failed(self) -> bool:
        """It took nothing, was refused as it should be, and kept nobody else from anything."""
        return self.refused == self.expected and not self.stolen and self.honest


def attack(name: str, expected: str) -> Callable[[Setup], Setup]:
    """Register an attack with the reason of its refusal."""

    def add(setup: Setup) -> Setup:
        assert name not in CHAIN_ATTACKS
        CHAIN_ATTACKS[name] = setup, expected
        return setup

    return add


def run_attacks(scene: MandateStage) -> Iterator[Tried]:
    """All of them, each beside an honest agent who buys what it may."""
    honest = scene.signed(1000 * DOLLAR, budget=1000 * DOLLAR, max_occurrences=1000)
    for name, (setup, expected) in CHAIN_ATTACKS.items():
        attempt, mandate = setup(scene)
        before = scene.wealth(mandate)
        why = refused(attempt)
        stolen = before - scene.wealth(mandate)
        yield Tried(name, why, expected, stolen, refused(lambda: scene.buy(honest)) == "")


def bare(signed: SignedMandate, **terms: Any) -> SignedMandate:
    """The same signature under other terms."""
    return signed.model_copy(update={"mandate": signed.mandate.model_copy(update=terms)})


def with_proof(signed: SignedMandate, proof: bytes) -> SignedMandate:
    """The same terms under another signature."""
    return signed.model_copy(update={"signature": proof.hex()})


# --- spent, over, or not begun


@attack("replay of a mandate whose one action was done", "NoOccurrencesLeft")
def _replay(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed(max_occurrences=1)
    scene.buy(signed)
    return lambda: scene.buy(signed), signed.mandate


@attack("one action more than its number", "NoOccurrencesLeft")
def _often(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed(max_occurrences=2)
    license = scene.buy(signed)
    scene.open(signed, license)
    return lambda: scene.open(signed, license), signed.mandate


@attack("expired", "MandateExpired")
def _expired(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed(not_after=scene.market.now() - 1)
    return lambda: scene.buy(signed), signed.mandate


@attack("before its time", "MandateNotYetValid")
def _early(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed(not_before=scene.market.now() + 5000)
    return lambda: scene.buy(signed), signed.mandate


@attack("revoked", "MandateIsRevoked")
def _revoked(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    scene.buy(signed)
    scene.market.revoke_mandate(scene.payer, id_of(signed))
    return lambda: scene.buy(signed), signed.mandate


@attack("revoked before anybody used it", "MandateIsRevoked")
def _revoked_first(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    scene.market.revoke_mandate(scene.payer, id_of(signed))
    return lambda: scene.buy(signed), signed.mandate


@attack("revoked, with a license that is still good", "MandateIsRevoked")
def _revoked_job(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    license = scene.buy(signed)
    scene.market.revoke_mandate(scene.payer, id_of(signed))
    return lambda: scene.open(signed, license), signed.mandate


@attack("granted again after it was revoked", "MandateIsRevoked")
def _granted_again(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    scene.market.revoke_mandate(scene.payer, id_of(signed))
    return lambda: scene.market.grant_mandate(scene.agent, signed), signed.mandate


# --- money


@attack("a license dearer than one action may be", "AmountAboveRange")
def _dear_license(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed(amount_range=LICENSE_PRICE - 1)
    return lambda: scene.buy(signed), signed.mandate


@attack("a job with fees above what one action may take", "AmountAboveRange")
def _dear_fees(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    license = scene.buy(signed)
    return lambda: scene.open(signed, license, max_fee=LICENSE_PRICE), signed.mandate


@attack("fees that overflow the sum", "Panic")
def _overflow(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    license = scene.buy(signed)
    return lambda: scene.open(signed, license, max_fee=(1 << 256) - 1), signed.mandate


@attack("more rows than there are numbers", "AmountAboveRange")
def _rows(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    license = scene.buy(signed)
    return lambda: scene.open(signed, license, rows=(1 << 64) - 1), signed.mandate


@attack("a third license out of a budget for two", "BudgetSpent")
def _over_budget(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed(10 * LICENSE_PRICE)
    scene.buy(signed)
    scene.buy(signed)
    return lambda: scene.buy(signed), signed.mandate


@attack("a budget drained by small actions", "BudgetSpent")
def _drops(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed(10 * LICENSE_PRICE, budget=LICENSE_PRICE + 2 * DOLLAR)
    license = scene.buy(signed)
    scene.open(signed, license)
    return lambda: scene.open(signed, license), signed.mandate


@attack("more than its account holds", "BalanceTooSmall")
def _poor(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed(LICENSE_PRICE - 1)
    return lambda: scene.buy(signed), signed.mandate


@attack("another mandate's money", "BalanceTooSmall")
def _other_money(scene: MandateStage) -> tuple[Attempt, Mandate]:
    scene.signed(100 * DOLLAR)
    signed = scene.signed(0)
    return lambda: scene.buy(signed), signed.mandate


@attack("the payer's own allowance to the market", "BalanceTooSmall")
def _allowance(scene: MandateStage) -> tuple[Attempt, Mandate]:
    scene.market.approve(scene.payer, "LicenseMarket", 100 * DOLLAR)
    signed = scene.signed(0)
    return lambda: scene.buy(signed), signed.mandate


# --- what may be bought


@attack("a dataset that it does not name", "DatasetNotGranted")
def _dataset(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    return lambda: scene.buy(signed, scene.foreign_offer), signed.mandate


@attack("a policy that gives scores where labels were looked at", "PolicyNotGranted")
def _policy(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    return lambda: scene.buy(signed, scene.scores_offer), signed.mandate


@attack("an offer that its seller made dearer in kind after the signing", "PolicyNotGranted")
def _switched(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    offer = scene.stage.sell(policy=digest("trees and scores"))
    return lambda: scene.buy(signed, offer), signed.mandate


@attack("an offer that is not there", "NoSuchOffer")
def _no_offer(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    return lambda: scene.buy(signed, 10_000), signed.mandate


@attack("a license where only jobs were granted", "ActionNotGranted")
def _no_license(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed(actions=("job",))
    return lambda: scene.buy(signed), signed.mandate


@attack("a job where only licenses were granted", "ActionNotGranted")
def _no_job(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed(actions=("license",))
    license = scene.buy(signed)
    return lambda: scene.open(signed, license), signed.mandate


@attack("a job under a stranger's license", "NotLicenseHolder")
def _stranger_license(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    return lambda: scene.open(signed, scene.own_license), signed.mandate


@attack("a job under another mandate's license", "NotLicenseHolder")
def _other_license(scene: MandateStage) -> tuple[Attempt, Mandate]:
    license = scene.buy(scene.signed())
    signed = scene.signed()
    return lambda: scene.open(signed, license), signed.mandate


@attack("a result sealed to the thief", "SealingKeyNotGranted")
def _sealing(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed(sealing_key=digest("sealing key"))
    license = scene.buy(signed)
    return lambda: scene.open(signed, license, sealing_key=digest("the thief's key")), signed.mandate


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


# --- around the contract


@attack("the agent takes the money home", "NotPayer")
def _home(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    return lambda: scene.market.withdraw_mandate(scene.agent, signed.mandate), signed.mandate


def _account(scene: MandateStage, signed: SignedMandate) -> ContractClient:
    scene.market.grant_mandate(scene.agent, signed)
    place = scene.market.mandate_account(signed.mandate)
    return ContractClient(scene.market.node, [Contract("account", place, Interface(load("MandateAccount").abi))])


@attack("the account emptied past the contract", "OnlyMandates")
def _empty(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    account = _account(scene, signed)
    return lambda: account.send(scene.agent, "account", "empty", scene.agent.address), signed.mandate


@attack("a license bought past the contract", "OnlyMandates")
def _past(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed()
    account = _account(scene, signed)
    args = (scene.scores_offer, LICENSE_PRICE)
    return lambda: account.send(scene.agent, "account", "buy", *args), signed.mandate


@attack("a stranger revokes, to keep the agent from acting", "")
def _foreign_revocation(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed(0)
    return lambda: scene.market.revoke_mandate(scene.thief, id_of(signed)), signed.mandate


@attack("two agents race for the last of the budget", "BudgetSpent")
def _race(scene: MandateStage) -> tuple[Attempt, Mandate]:
    signed = scene.signed(10 * LICENSE_PRICE)
    scene.buy(signed)
    before = scene.market.license_count()
    lost: list[DarkroomError] = []

    def buy() -> None:
        try:
            scene.buy(signed)
        except DarkroomError as error:
            lost.append(error)

    def race() -> None:
        threads = [threading.Thread(target=buy) for _ in range(2)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        won = scene.market.license_count() - before
        # The one that may win is put back, so that whatever is missing afterwards was taken by the other.
        scene.market.transfer(scene.thief, scene.payer.address, min(won, 1) * LICENSE_PRICE)
        if won != 1 or len(lost) != 1:
            raise Reverted(f"{won} of two actions for the last unit went through.", reason="both")
        raise lost[0]

    return race, signed.mandate
