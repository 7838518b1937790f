"""`darkroom mandate`: what a person lets a software agent buy, and how it ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import AsBuyer, AsJson, CommandContext
from app.console.output import facts_table, rows_table
from app.protocol.market.entities import ZERO
from app.protocol.market.mandate import ACTIONS, moment
from app.protocol.market.money import dollars, token_units
from app.protocol.policy.bits import MICRO

if TYPE_CHECKING:
    from app.client.mandates import Mandates, MandateView

app = typer.Typer(
    no_args_is_help=True,
    help="Mandates of software agents: sign, fund, list, show, import, revoke, withdraw, deploy.",
)
Number = Annotated[str, typer.Argument(metavar="MANDATE", help="The mandate's digest, or how it begins.")]


def _mandates(session: CommandContext) -> Mandates:
    from app.client.mandates import Mandates

    return Mandates(session.network, session.actor, session.account)


def _facts(view: MandateView) -> dict[str, Any]:
    mandate, spent = view.mandate, view.spent
    return {
        "mandate": view.id,
        "state": view.state,
        "agent": mandate.agent,
        "payer": mandate.payer,
        "account": view.account,
        "purpose": mandate.purpose,
        "actions": list(mandate.actions),
        "datasets": list(mandate.datasets),
        "policies": list(mandate.policies),
        "spent": spent.amount,
        "budget": mandate.budget,
        "amount_range": mandate.amount_range,
        "balance": spent.balance,
        "bits_range": mandate.bits_range / MICRO,
        "bits_budget": mandate.bits_budget / MICRO,
        "occurrences": spent.occurrences,
        "max_occurrences": mandate.max_occurrences,
        "not_before": moment(mandate.not_before),
        "not_after": moment(mandate.not_after),
        "nonce": mandate.nonce,
        "signed_here": view.signed is not None,
        "on_chain": view.granted,
    }


def _for_people(value: dict[str, Any]) -> dict[str, Any]:
    money = ("spent", "budget", "amount_range", "balance")
    return {name: dollars(each) if name in money else each for name, each in value.items()}


@app.command("sign")
def sign(
    agent: Annotated[str, typer.Argument(help="The agent's address: darkroom account show --as ROLE.")],
    budget: Annotated[str, typer.Option(help="Test dollars that all actions together may take.")],
    purpose: Annotated[str, typer.Option(help="What for, in a sentence.")],
    dataset: Annotated[list[int] | None, typer.Option(help="A dataset it may buy on; may be repeated.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="A keyword: the datasets that have it now; may be repeated.")
    ] = None,
    policy: Annotated[
        list[str] | None, typer.Option(help="An output policy's digest; by default those that are sold there now.")
    ] = None,
    action: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(ACTIONS)}; by default all of them.")
    ] = None,
    amount_range: Annotated[
        str, typer.Option("--each", help="Test dollars that one action may take; by default a quarter of the budget.")
    ] = "",
    bits_budget: Annotated[float, typer.Option("--bits", help="Bits about one person that may be told in all.")] = 8.0,
    bits_range: Annotated[
        float, typer.Option("--bits-each", help="Bits about one person that one answer may tell; by default all.")
    ] = 0.0,
    occurrences: Annotated[int, typer.Option("--actions-in-all", help="How many actions there may be.", min=1)] = 100,
    days: Annotated[float, typer.Option(help="For how long it is valid.", min=0.001)] = 1.0,
    sealing_key: Annotated[
        str, typer.Option(help="The public key that results are sealed to; by default one that the agent names.")
    ] = ZERO,
    fund: Annotated[str, typer.Option(help="Test dollars to put into its account at once.")] = "0",
    out: Annotated[Path | None, typer.Option(help="Write the signed mandate into a file for the agent.")] = None,
    role: AsBuyer = "buyer",
    as_json: AsJson = False,
) -> None:
    """Sign what an agent's key may buy: on which datasets, for how much money and how many bits, until when.

    Nothing is paid but what --fund says. The agent spends only what the mandate's own account holds; revoking it takes
    one transaction, and what is left returns to you.
    """
    session = CommandContext(role, as_json)
    mandates, units = _mandates(session), token_units(budget)
    bits = round(bits_budget * MICRO)
    signed = mandates.sign(
        agent,
        datasets=dataset or (),
        tags=tag or (),
        policies=policy or (),
        actions=tuple(action or ACTIONS),  # type: ignore[arg-type]
        amount_range=token_units(amount_range) if amount_range else -(-units // 4),
        budget=units,
        bits_range=round(bits_range * MICRO) or bits,
        bits_budget=bits,
        purpose=purpose,
        max_occurrences=occurrences,
        sealing_key=sealing_key,
        seconds=round(days * 86_400),
    )
    if out is not None:
        out.write_bytes(signed.to_bytes())
    if money := token_units(fund):
        mandates.fund(signed, money)
    _show(session, mandates.view(signed.mandate))


@app.command("fund")
def fund(
    number: Number,
    amount: Annotated[str, typer.Argument(help="Test dollars.")],
    role: AsBuyer = "buyer",
    as_json: AsJson = False,
) -> None:
    """Put money into a mandate's account; it is all that the agent can spend."""
    session = CommandContext(role, as_json)
    mandates = _mandates(session)
    mandate = mandates.known(number)
    sent = mandates.fund(mandate, token_units(amount))
    value = {"mandate": mandates.id(mandate), "balance": sent.value, "transaction": sent.tx}
    session.out.show(value, lambda out: out.print(facts_table({**value, "balance": dollars(sent.value)})))


@app.command("list")
def list_mandates(role: AsBuyer = "buyer", as_json: AsJson = False) -> None:
    """The mandates that the role pays for or acts under."""
    session = CommandContext(role, as_json)
    rows = [_facts(view) for view in _mandates(session).mine()]
    short = ("mandate", "state", "agent", "spent", "budget", "balance", "not_after", "purpose")
    told = [{name: _for_people(row)[name] for name in short} | {"mandate": row["mandate"][:16]} for row in rows]
    session.out.show(rows, lambda out: out.print(rows_table(told, empty="No mandate yet.")))


@app.command("show")
def show(number: Number, role: AsBuyer = "buyer", as_json: AsJson = False) -> None:
    """One mandate, and a receipt of each action: order, payment, result and how to audit it."""
    session = CommandContext(role, as_json)
    mandates = _mandates(session)
    _show(session, mandates.view(mandates.known(number)), receipts=True)


@app.command("import")
def keep(
    file: Annotated[Path, typer.Argument(help="A signed mandate, as its payer wrote it.", exists=True, dir_okay=False)],
    role: AsBuyer = "buyer",
    as_json: AsJson = False,
) -> None:
    """Keep a signed mandate in the folder of the agent's role."""
    session = CommandContext(role, as_json)
    from app.client.mandates import read_signed

    signed, mandates = read_signed(file), _mandates(session)
    mandates.keep(signed)
    _show(session, mandates.view(signed.mandate))


@app.command("revoke")
def revoke(
    number: Annotated[str, typer.Argument(metavar="MANDATE", help="Its digest, or how it begins.")] = "",
    every: Annotated[bool, typer.Option("--all", help="All mandates that the role has signed so far.")] = False,
    role: AsBuyer = "buyer",
    as_json: AsJson = False,
) -> None:
    """End a mandate at once. Open jobs run to their end; take what is left home with `darkroom mandate withdraw`."""
    session = CommandContext(role, as_json)
    mandates = _mandates(session)
    if every:
        sent = mandates.revoke_all()
        value = {"mandate": "all", "transaction": sent.tx}
    else:
        mandate = mandates.known(number)
        sent = mandates.revoke(mandates.id(mandate))
        value = {"mandate": mandates.id(mandate), "transaction": sent.tx}
    session.out.show(value, lambda out: out.print(facts_table(value)))


@app.command("withdraw")
def withdraw(number: Number, role: AsBuyer = "buyer", as_json: AsJson = False) -> None:
    """Bring what a mandate's account holds, refunds included, to its payer."""
    session = CommandContext(role, as_json)
    mandates = _mandates(session)
    mandate = mandates.known(number)
    sent = mandates.withdraw(mandate)
    value = {"mandate": mandates.id(mandate), "amount": sent.value, "payer": mandate.payer, "transaction": sent.tx}
    session.out.show(value, lambda out: out.print(facts_table({**value, "amount": dollars(sent.value)})))


@app.command("deploy")
def deploy(as_json: AsJson = False) -> None:
    """Put the contract of mandates beside this home's market, from the operator's account; once."""
    from app.home.config import read_config
    from app.home.setup import add_mandates

    session = CommandContext("operator", as_json)
    value = {"mandates": add_mandates(session.home, read_config(session.home))}
    session.out.show(value, lambda out: out.print(facts_table(value)))


def _show(session: CommandContext, view: MandateView, *, receipts: bool = False) -> None:
    value = _facts(view)
    if receipts:
        from app.client.mandate_receipts import uses_of

        value["ap2"] = view.mandate.open_payment_mandate()
        value["receipts"] = [each.model_dump(mode="json") for each in uses_of(session.network.market, view.mandate)]

    def told(out: Any) -> None:
        out.print(facts_table({k: v for k, v in _for_people(value).items() if k not in ("ap2", "receipts")}))
        if receipts:
            rows = [
                {
                    "action": each["action"],
                    "order": each["order"],
                    "dataset": each["dataset"],
                    "paid": dollars(each["payment"]["amount"] - each["payment"]["refunded"]),
                    "state": each["result"]["state"] if each["result"] else "",
                    "audit": each["audit"]["command"] if each["audit"] else "",
                }
                for each in value["receipts"]
            ]
            out.print(rows_table(rows, empty="Nothing was done under it."))

    session.out.show(value, told)
