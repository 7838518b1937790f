"""`darkroom license`: buying the right to run jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from app.cli.context import AsBuyer, AsJson, AsOwner, CommandContext
from app.console.output import facts_table, rows_table
from app.protocol.errors import NotAllowed
from app.protocol.market.entities import License
from app.protocol.market.money import dollars
from app.protocol.policy.bits import MICRO

app = typer.Typer(no_args_is_help=True, help="Licenses: buy, list, show, revoke, settle.")
Number = Annotated[int, typer.Argument(help="The license's number.", min=1)]


def _facts(held: License, now: int) -> dict[str, Any]:
    until = datetime.fromtimestamp(held.valid_until, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return {
        "license": held.id,
        "dataset": held.dataset,
        "offer": held.offer,
        "state": str(held.state(now)),
        "jobs_left": held.jobs_left,
        "rows_left": held.rows_left,
        "bits_a_person": held.micro_bits / MICRO,
        "valid_until": until,
        "settled": held.settled,
        "buyer": held.buyer,
    }


@app.command("buy")
def buy(
    offer: Annotated[int, typer.Argument(help="The offer's number: darkroom dataset show.", min=1)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be paid and signed, and stop.")] = False,
    anew: Annotated[
        bool, typer.Option("--anew", help="Buy another one, also where one of the offer is there.")
    ] = False,
    role: AsBuyer = "buyer",
    as_json: AsJson = False,
) -> None:
    """Buy a license in one transaction, unless one of the offer that this machine bought still allows jobs."""
    session = CommandContext(role, as_json)
    market = session.network.market
    terms = market.offer(offer)
    balance = market.balance(session.account.address)
    value: dict[str, Any] = {
        "offer": offer,
        "dataset": terms.dataset,
        "price": terms.price_license,
        "jobs": terms.max_jobs,
        "rows": terms.max_rows,
        "days": terms.duration // 86_400,
        "bits_a_person": terms.micro_bits / MICRO,
        "licenses_left": terms.licenses_left,
        "policy": terms.policy,
    }
    if balance < terms.price_license:
        raise NotAllowed(
            f"The license costs {dollars(terms.price_license)} test dollars; this account has {dollars(balance)}.",
            "Get some: darkroom account faucet.",
        )
    if not dry_run:
        sent = session.buyer.buy_license(offer, anew=anew)
        value |= {"license": sent.value, "transaction": sent.tx, "gas": sent.gas}
    session.out.show(value, lambda out: out.print(facts_table({**value, "price": dollars(terms.price_license)})))


@app.command("list")
def list_licenses(role: AsBuyer = "buyer", as_json: AsJson = False) -> None:
    """The role's licenses."""
    session = CommandContext(role, as_json)
    market = session.network.market
    rows = [_facts(held, market.now()) for held in market.licenses(buyer=session.account.address)]
    session.out.show(rows, lambda out: out.print(rows_table(rows, empty="No license yet.")))


@app.command("show")
def show(number: Number, as_json: AsJson = False) -> None:
    """One license."""
    session = CommandContext("anyone", as_json)
    value = _facts(session.network.market.license(number), session.network.market.now())
    session.out.show(value, lambda out: out.print(facts_table(value)))


@app.command("revoke")
def revoke(number: Number, role: AsOwner = "owner", as_json: AsJson = False) -> None:
    """End a license; its unused part is refunded to the buyer, and running jobs go on."""
    session = CommandContext(role, as_json)
    sent = session.network.market.revoke_license(session.account, number)
    value = {"license": number, "refund": sent.value, "transaction": sent.tx}
    session.out.show(value, lambda out: out.print(facts_table({**value, "refund": dollars(sent.value)})))


@app.command("settle")
def settle(number: Number, role: AsOwner = "owner", as_json: AsJson = False) -> None:
    """Give the bits that a license which is over was not told back to its dataset, so that they can be sold again.

    How many it was told is counted from public records, as everybody can.
    """
    from app.client.settling import used_by

    session = CommandContext(role, as_json)
    market = session.network.market
    used = used_by(session.network, market.license(number))
    sent = market.settle_license(session.account, number, used)
    value = {
        "license": number,
        "bits_used": used / MICRO,
        "bits_given_back": sent.value / MICRO,
        "transaction": sent.tx,
    }
    session.out.show(value, lambda out: out.print(facts_table(value)))
