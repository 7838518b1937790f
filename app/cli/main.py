"""`darkroom`: the verbs, and how every error becomes one sentence and an exit code.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not allowed, 4 verification failed, 5 not there yet, 130 interrupted.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from app import __version__
from app.cli import (
    account,
    ask,
    audit,
    conformance,
    custodian,
    dataset,
    doctor,
    facilitator,
    job,
    keys,
    license,
    mandate,
    mcp_server,
    model,
    node,
    provider,
    result,
)
from app.console.output import Terminal
from app.home.home import EDITION_VARIABLE
from app.node import logs
from app.node.run_loop import SUPERVISED_VARIABLE
from app.protocol.errors import DarkroomError, UsageError

app = typer.Typer(
    name="darkroom",
    help="A data marketplace that computes on encrypted tables. The home folder is $DARKROOM_HOME, else ~/.darkroom.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 not allowed, 4 verification failed, 5 not there yet.",
)


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


def _edition(name: str) -> str:
    if name:
        os.environ[EDITION_VARIABLE] = name
    return name


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    edition: Annotated[
        str,
        typer.Option(callback=_edition, help="An earlier edition of the contracts; as DARKROOM_EDITION."),
    ] = "",
) -> None:
    """Options of the command itself."""


app.command("demo")(audit.demo)
app.command("up")(node.up)
app.command("doctor")(doctor.doctor)
app.command("init")(account.init)
app.add_typer(dataset.app, name="dataset")
app.add_typer(license.app, name="license")
app.add_typer(model.app, name="model")
app.add_typer(job.app, name="job")
app.command("ask")(ask.ask)
app.add_typer(result.app, name="result")
app.command("mcp")(mcp_server.mcp)
app.add_typer(mandate.app, name="mandate")
app.command("facilitator")(facilitator.facilitator)
app.add_typer(custodian.app, name="custodian")
app.add_typer(provider.app, name="provider")
app.command("audit")(audit.audit)
app.add_typer(conformance.app, name="conformance")
app.add_typer(keys.app, name="keys")
app.add_typer(account.app, name="account")
app.add_typer(node.app, name="node")


def run(arguments: list[str]) -> int:
    """Run one command; its exit code. Wrong usage is explained on stderr by typer, with exit code 2."""
    output = Terminal("--json" in arguments)
    try:
        if output.as_json:
            return _for_programs(arguments, output)
        app(arguments)
    except DarkroomError as error:
        if os.environ.get(SUPERVISED_VARIABLE) == "1":  # a node's part speaks in events, to the last
            logs.configure()
            told = {"code": error.code, "detail": str(error)}
            logging.getLogger(logs.ROOT).log(logging.ERROR, "error", extra=told)
            return error.exit_code
        return output.fail(error)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0


def _for_programs(arguments: list[str], output: Terminal) -> int:
    """One command whose wrong usage is told on stdout too, as every error is."""
    try:
        code = app(arguments, standalone_mode=False)
    except typer.Abort:
        return 1
    except TyperException as error:
        said = getattr(error, "format_message", error.__str__)()
        return output.fail(UsageError(said, "See what it takes: add --help."))
    return code if isinstance(code, int) else 0


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))
