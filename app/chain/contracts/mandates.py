"""Mandates on the chain: what an agent does under one, what was spent, and how a payer ends it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from app.chain.contracts.beside import EVALUATORS, MANDATES, not_deployed
from app.chain.contracts.client import Sent
from app.chain.contracts.custodians import JOBS
from app.chain.contracts.jobs import Jobs, opened
from app.chain.contracts.licensing import bought
from app.chain.events import Event
from app.chain.recursion_limit import limit_kept
from app.chain.wallet.account import Account
from app.protocol.errors import NotFound, VerificationFailed
from app.protocol.ids import Address, Digest
from app.protocol.market.entities import Job
from app.protocol.market.mandate import ACTIONS, TYPES, Mandate, MandateSpent, MandateState, SignedMandate


def mandate_id(mandate: Mandate) -> Digest:
    """EIP-712 digest of a mandate, hex: its name on the chain, and what its payer signs."""
    with limit_kept():
        from eth_account.messages import encode_typed_data
    said = encode_typed_data(mandate.domain, TYPES, mandate.message)
    return Digest(bytes(keccak(b"\x19" + said.version + said.header + said.body)).hex())


def as_mandate(chain_id: int, contract: str, terms: Mapping[str, Any]) -> Mandate:
    """The document of the contract's struct. Errors: VerificationFailed for one that no document can say."""
    try:
        return Mandate(
            chain_id=chain_id,
            contract=Address(contract),
            payer=terms["payer"],
            agent=terms["agent"],
            actions=tuple(name for name, bit in ACTIONS.items() if terms["actions"] & bit),
            datasets=tuple(terms["datasets"]),
            policies=tuple(terms["policies"]),
            sealing_key=terms["sealingKey"],
            amount_range=terms["amountRange"],
            budget=terms["budget"],
            bits_range=terms["bitsRange"],
            bits_budget=terms["bitsBudget"],
            max_occurrences=terms["maxOccurrences"],
            not_before=terms["notBefore"],
            not_after=terms["notAfter"],
            nonce=terms["nonce"],
            purpose=terms["purpose"],
        )
    except ValueError:
        raise VerificationFailed(
            "A mandate on the chain is of no form that this software signs.", "Ask its payer for another one."
        ) from None


class Mandated(Jobs):
    """Actions under mandates, and reads. Every action takes the mandate with its signature; the agent's account acts.

    Errors of all: NotFound where the market has no contract of mandates beside it.
    """

    @property
    def first_block(self) -> int:
        """The block from which on there can be events: `Market` knows it."""
        return 0

    @property
    def mandates_address(self) -> Address | None:
        """Where the contract of mandates is; None where there is none beside this market."""
        there = self.client.contracts.get(MANDATES)
        return None if there is None else Address(there.address)

    def mandates_required(self) -> Address:
        """Where it is. Errors: NotFound, with what to do, where there is none."""
        return Address(self.client.address(self._mandates()))

    def _mandates(self) -> str:
        """Its name, where it is there."""
        if MANDATES not in self.client.contracts:
            raise not_deployed()
        return MANDATES

    def sign_mandate(self, account: Account, mandate: Mandate) -> SignedMandate:
        """The payer's signature; nothing is sent. Errors: VerificationFailed for another account's or market's."""
        self._own(mandate)
        if mandate.payer != account.address:
            raise VerificationFailed(f"The payer of this mandate is {mandate.payer}.", "Sign with its account.")
        signature = account.sign_typed(mandate.domain, TYPES, mandate.message)
        return SignedMandate(mandate=mandate, signature=signature.hex())

    def mandate_account(self, mandate: Mandate) -> Address:
        """Where its money is: whatever is sent here is spent under it, or returns to its payer."""
        return Address(self.client.read(self._mandates(), "accountOf", mandate_id(mandate)))

    def grant_mandate(self, account: Account, signed: SignedMandate) -> Sent[Address]:
        """Announce a mandate's terms and make its account, which its first use does too; the value is that account.

        Anyone may pay for it. Errors: Reverted, as BadMandateSignature.
        """
        sent = self._send(account, "grant", signed)
        return sent.with_value(self.mandate_account(signed.mandate))

    def fund_mandate(self, account: Account, mandate: Mandate, amount: int) -> Sent[int]:
        """Put token units into a mandate's account, anyone's; the value is what it holds then. Errors: Reverted."""
        place = self.mandate_account(mandate)
        return self.transfer(account, place, amount).with_value(self.balance(place))

    def buy_license_under(
        self, account: Account, signed: SignedMandate, offer: int, *, purpose: str = "", again: bool = False
    ) -> Sent[int]:
        """Buy a license for a mandate's account; the value is its id. `purpose` and `again`: as `buy_license`.

        Errors: NotFound; Reverted with the limit that keeps it.
        """
        if not again and (earlier := self.ordered_license(account, purpose)):
            return earlier
        self.offer(offer)
        return bought(self._send(account, "buyLicense", signed, offer, purpose=purpose, again=again))

    def open_job_under(
        self,
        account: Account,
        signed: SignedMandate,
        license: int,
        *,
        purpose: str = "",
        again: bool = False,
        **order: Any,
    ) -> Sent[int]:
        """Open a job under a license of the mandate's account; the value is its id. Arguments: as `open_job`.

        Errors: those of `open_job`; Reverted with the limit that keeps it.
        """
        if not again and (earlier := self.ordered_job(account, purpose)):
            return earlier
        struct, _ = self.ordering(self.mandate_account(signed.mandate), license, **order)
        return opened(self._send(account, "openJob", signed, struct, purpose=purpose, again=again))

    def revoke_mandate(self, account: Account, mandate: Digest) -> Sent[None]:
        """End a mandate by its digest, at once and for good (its payer; of others nothing changes)."""
        return self.client.send(account, self._mandates(), "revoke", mandate)

    def void_mandates(self, account: Account, below: int) -> Sent[None]:
        """End all mandates of the account with a nonce below this. Errors: Reverted, as NonceOnlyGrows."""
        return self.client.send(account, self._mandates(), "voidBelow", below)

    def withdraw_mandate(self, account: Account, mandate: Mandate) -> Sent[int]:
        """Bring what a mandate's account holds or is owed to its payer; the value is how much.

        By the payer at any time, by anyone when the mandate is over. Errors: Reverted, as NotPayer.
        """
        self._own(mandate)
        sent = self.client.send(account, self._mandates(), "withdraw", tuple(mandate.message.values()))
        return sent.with_value(int(sent.event("MandateWithdrawn").args["amount"]))

    def mandate_spent(self, mandate: Mandate) -> MandateSpent:
        """What the chain knows of a mandate's use; the bits that were told are counted by whoever reads decisions.

        `balance` is what the account can spend, refunds that it is owed included.
        """
        self._own(mandate)
        name, number, payer = self._mandates(), mandate_id(mandate), mandate.payer
        usage = self.client.read(name, "usageOf", number)
        ended = self.client.read(name, "revoked", payer, number)
        ended = ended or self.client.read(name, "nonceFloor", payer) > mandate.nonce
        place = self.mandate_account(mandate)
        held = self.balance(place) + self.claim(place)
        return MandateSpent(int(usage["spent"]), int(usage["occurrences"]), 0, held, bool(ended))

    def mandate_granted(self, number: Digest) -> bool:
        """Whether its terms are on the chain, by its digest."""
        return bool(self.client.read(self._mandates(), "usageOf", number)["grantedBlock"])

    def refunded(self, job: Job) -> int:
        """Token units of a job that went back to its buyer; 0 before it is over."""
        if not job.closed_block:
            return 0
        found = self.client.find(JOBS, "Refunded", job.closed_block, job.closed_block, job.id)
        return sum(int(event.args["amount"]) for event in found)

    def mandate_state(self, mandate: Mandate) -> MandateState:
        """A mandate as an order meets it. Errors: VerificationFailed for another market's."""
        spent, uses = self.mandate_spent(mandate), self.mandate_uses(mandate_id(mandate))
        licenses = (use.args["subject"] for use in uses if use.args["action"] == ACTIONS["license"])
        return MandateState(mandate, frozenset(map(int, licenses)), spent)

    def mandate_of(self, account: str) -> Mandate | None:
        """The mandate whose account a buyer is; None for any other buyer. Errors: VerificationFailed."""
        if MANDATES not in self.client.contracts:
            return None
        number = self.client.read(MANDATES, "mandateOf", account)
        return None if not int(number, 16) else self.granted_mandate(Digest(number))

    def granted_mandate(self, number: Digest) -> Mandate:
        """A mandate by its digest, once it was granted. Errors: NotFound, VerificationFailed."""
        block = int(self.client.read(self._mandates(), "usageOf", number)["grantedBlock"])
        found = self.client.find(MANDATES, "MandateGranted", block, block, int(number, 16)) if block else []
        if not found:
            raise NotFound(f"No mandate {number[:16]} was granted here.", "List yours: darkroom mandate list.")
        return self._granted(found[-1])

    def granted_mandates(self, *, payer: str | None = None, agent: str | None = None) -> Iterator[Mandate]:
        """Mandates that were granted, of a payer or an agent, in the order of the chain; others' forms are left out."""
        wanted = [None if each is None else int(each, 16) for each in (payer, agent)]
        last = self.client.node.head().number
        for event in self.client.find(self._mandates(), "MandateGranted", self.first_block, last, None, *wanted):
            try:
                yield self._granted(event)
            except VerificationFailed:
                continue

    def mandate_uses(self, number: Digest) -> list[Event]:
        """What was bought under a mandate: its MandateUsed events, in order."""
        block = int(self.client.read(self._mandates(), "usageOf", number)["grantedBlock"])
        last = self.client.node.head().number
        return self.client.find(MANDATES, "MandateUsed", block, last, int(number, 16)) if block else []

    def evaluator_of(self, job: int) -> Address:
        """A job's evaluator for ERC-8183 markets: its address, known before it is made. Errors: NotFound."""
        if EVALUATORS not in self.client.contracts:
            raise not_deployed()
        return Address(self.client.read(EVALUATORS, "evaluatorOf", job))

    def make_evaluator(self, account: Account, job: int) -> Sent[Address]:
        """Make a job's evaluator, where it is not there yet; the value is its address. Errors: NotFound, Reverted."""
        there = self.evaluator_of(job)
        return self.client.send(account, EVALUATORS, "make", job).with_value(there)

    def _granted(self, event: Event) -> Mandate:
        mandate = as_mandate(self.client.node.chain_id, self.client.address(MANDATES), event.args["terms"])
        if mandate_id(mandate) != event.args["mandate"]:
            raise VerificationFailed("The chain's terms of a mandate do not have its digest.", "Use another node.")
        return mandate

    def _own(self, mandate: Mandate) -> None:
        """Errors: VerificationFailed for a mandate of another market; NotFound."""
        here = (self.client.node.chain_id, self.client.address(self._mandates()))
        if (mandate.chain_id, to_checksum_address(mandate.contract)) != here:
            raise VerificationFailed(
                "This mandate was signed for another chain or market.", "Use the market that it names: --edition."
            )

    def _send(
        self, account: Account, function: str, signed: SignedMandate, *args: Any, purpose: str = "", again: bool = False
    ) -> Sent[None]:
        self._own(signed.mandate)
        terms, proof = tuple(signed.mandate.message.values()), bytes.fromhex(signed.signature)
        return self.client.send(account, self._mandates(), function, terms, proof, *args, purpose=purpose, again=again)
