"""What an agent, a thief or a forger tries on a mandate: the chain's part of the attacks, as data.

Each attack sets its stage and returns the attempt and the mandate that is attacked. An attempt that is refused, for the
reason that stands beside its name, leaves payer and mandate what they had. `tests/attack/test_mandates.py` runs all of
them, and so does `python -m benchmarks agents`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

from app.chain.contracts.abi import Interface
from app.chain.contracts.client import Contract, ContractClient
from app.protocol.errors import DarkroomError, Reverted
from app.protocol.market.mandate import Mandate, SignedMandate
from contracts import load
from tests.support import mandate_forgeries
from tests.support.mandates import CHAIN_ATTACKS, LICENSE_PRICE, Attempt, MandateStage, attack, id_of, refused
from tests.support.market import DOLLAR, digest

__all__ = ["CHAIN_ATTACKS", "Tried", "mandate_forgeries", "run_attacks"]  # the forgeries register themselves


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


def run_attacks(scene: MandateStage) -> Iterator[Tried]:
    """All of them, each beside an honest agent who buys what it may."""
    honest = scene.signed(1000 * DOLLAR, budget=1000 * DOLLAR, max_occurrences=1000)
    for name, (setup, expected) in CHAIN_ATTACKS.items():
        attempt, mandate = setup(scene)
        before = scene.wealth(mandate)
        why = refused(attempt)
        stolen = before - scene.wealth(mandate)
        yield Tried(name, why, expected, stolen, refused(lambda: scene.buy(honest)) == "")


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
