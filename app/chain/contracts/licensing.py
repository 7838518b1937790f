"""Offers, and the licenses bought from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from app.chain.contracts.client import ContractClient, Sent
from app.chain.contracts.entities import as_license, as_offer
from app.chain.contracts.token import PaymentToken
from app.chain.wallet.account import Account
from app.protocol.errors import NotFound
from app.protocol.market.entities import BitBudget, License, Offer

LICENSES = "LicenseMarket"


class Licensing(PaymentToken):
    """Offer and license actions and reads. Prices are token units."""

    client: ContractClient

    def create_offer(
        self,
        account: Account,
        dataset: int,
        *,
        price_license: int,
        price_job: int,
        price_row: int,
        max_jobs: int,
        max_rows: int,
        duration: int,
        policy: str,
        micro_bits: int,
        licenses: int,
        budget: int | None = None,
        beneficiaries: Sequence[tuple[str, int]] = (),
    ) -> Sent[int]:
        """Offer licenses; the value is the offer's id.

        `duration` is seconds of validity from the purchase, `policy` the digest of the OutputPolicy. `micro_bits` about
        one person are guaranteed to each of at most `licenses` buyers (app.protocol.policy.bits) and reserved at once,
        out of `budget`, what the dataset sells over all and for good: None leaves it as it is, and it can only grow.
        `beneficiaries` are up to 8 (address, basis points) that add up to 10,000; none means that the seller takes all.
        Errors: Reverted, as BudgetExceeded where the budget does not hold what is to be reserved.
        """
        whole = self.budget(dataset).micro_bits if budget is None else budget
        prices, limits = (price_license, price_job, price_row), (max_jobs, max_rows, duration)
        terms = (dataset, *prices, *limits, policy, micro_bits, licenses, whole)
        sent = self.client.send(account, LICENSES, "createOffer", terms, [tuple(share) for share in beneficiaries])
        return sent.with_value(int(sent.event("OfferCreated").args["offer"]))

    def deactivate_offer(self, account: Account, offer: int) -> Sent[None]:
        """Sell no more licenses from an offer (its seller or the dataset's owner): those sold stay, the bits of the
        others return to the dataset.
        """
        return self.client.send(account, LICENSES, "deactivate", offer)

    def buy_license(self, account: Account, offer: int, *, purpose: str = "", again: bool = False) -> Sent[int]:
        """Buy a license in one transaction; the value is its id.

        With a `purpose` for which this machine bought one before, and not `again`, that one is the answer and nothing
        is paid. Errors: NotFound, Reverted; those of `ContractClient.send`.
        """
        if not again and (earlier := self.ordered_license(account, purpose)):
            return earlier
        price, permit = self.offer(offer).price_license, tuple[Any, ...]()
        if price <= self.allowance(account.address, LICENSES):
            function = "buy"
        else:
            function, permit = "buyWithPermit", self.permit(account, LICENSES, price)
        return bought(self.client.send(account, LICENSES, function, offer, *permit, purpose=purpose, again=again))

    def ordered_license(self, account: Account, purpose: str) -> Sent[int] | None:
        """The license that this machine bought for a purpose, waited for; None where it did not."""
        sent = self.client.ordered(account, purpose)
        return None if sent is None else bought(sent)

    def revoke_license(self, account: Account, license: int) -> Sent[int]:
        """Take a license back (the dataset's owner) and pay for what is unused; the value is the refund.

        The refund comes from the owner: when no allowance covers it, an approval of exactly that amount goes first.
        """
        refund = int(self.client.read(LICENSES, "refundOf", license))
        if refund > self.allowance(account.address, LICENSES):
            self.approve(account, LICENSES, refund)
        sent = self.client.send(account, LICENSES, "revoke", license)
        return sent.with_value(int(sent.event("LicenseRevoked").args["refund"]))

    def settle_license(self, account: Account, license: int, used: int) -> Sent[int]:
        """Give back to the dataset's budget what a license that is over did not use (its owner or custodian), once.

        `used` is the most that its releases told of any one person, in micro-bits; the value is what was given back.
        Errors: NotFound; Reverted, as LicenseNotOver, JobsMayRun or AlreadySettled.
        """
        guaranteed = self.license(license).micro_bits
        return self.client.send(account, LICENSES, "settleLicense", license, used).with_value(guaranteed - used)

    def budget(self, dataset: int) -> BitBudget:
        """What a dataset sells about each person over all its offers, and how much of it is taken."""
        micro_bits, reserved = self.client.read(LICENSES, "budgetOf", dataset)
        return BitBudget(int(micro_bits), int(reserved))

    def offer(self, id: int) -> Offer:
        """Errors: NotFound."""
        if not 1 <= id <= self.offer_count():
            raise NotFound(f"There is no offer {id}.", "List them: darkroom dataset show.")
        return as_offer(id, self.client.read(LICENSES, "offerOf", id))

    def offers(self, dataset: int | None = None) -> Iterator[Offer]:
        """All offers, or a dataset's, by id."""
        every = (self.offer(number) for number in range(1, self.offer_count() + 1))
        return (offer for offer in every if dataset in (None, offer.dataset))

    def offers_of(self, address: str) -> list[int]:
        """The offers whose earnings this account shares."""
        return [offer.id for offer in self.offers() if address in (who for who, _ in self.shares(offer))]

    def shares(self, offer: Offer) -> list[tuple[str, int]]:
        """An offer's beneficiaries with their basis points."""
        listed = [(s["account"], int(s["basisPoints"])) for s in self.client.read(LICENSES, "sharesOf", offer.id)]
        return listed or [(offer.seller, 10_000)]

    def license(self, id: int) -> License:
        """Errors: NotFound."""
        if not 1 <= id <= self.license_count():
            raise NotFound(f"There is no license {id}.", "List yours: darkroom license list.")
        return as_license(id, self.client.read(LICENSES, "licenseOf", id))

    def licenses(self, buyer: str | None = None, dataset: int | None = None) -> Iterator[License]:
        """All licenses, or those of a buyer or of a dataset, by id."""
        every = (self.license(number) for number in range(1, self.license_count() + 1))
        return (each for each in every if buyer in (None, each.buyer) and dataset in (None, each.dataset))

    def offer_count(self) -> int:
        """Offers ever made; ids run from 1 to this."""
        return int(self.client.read(LICENSES, "offerCount"))

    def license_count(self) -> int:
        """Licenses ever sold; ids run from 1 to this."""
        return int(self.client.read(LICENSES, "licenseCount"))


def bought(sent: Sent[None]) -> Sent[int]:
    """The number of the license that a transaction bought."""
    return sent.with_value(int(sent.event("LicenseBought").args["license"]))
