"""`darkroom`: the verbs, and how every error becomes one sentence and an exit code.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not allowed, 4 verification failed, 5 not there yet, 130 interrupted.
"""

from __future__ import annotations

import sys

import click
import typer

from app.cli import account, audit, custodian, dataset, job, keys, license, model, provider, result
from app.cli.output import Output
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
app.command("demo")(audit.demo)
app.command("init")(account.init)
app.add_typer(dataset.app, name="dataset")
app.add_typer(license.app, name="license")
app.add_typer(model.app, name="model")
app.add_typer(job.app, name="job")
app.add_typer(result.app, name="result")
app.add_typer(custodian.app, name="custodian")
app.add_typer(provider.app, name="provider")
app.command("audit")(audit.audit)
app.add_typer(keys.app, name="keys")
app.add_typer(account.app, name="account")


def run(arguments: list[str]) -> int:
    """Run one command; its exit code."""
    output = Output("--json" in arguments)
    try:
        code = app(arguments, standalone_mode=False)
    except DarkroomError as error:
        return output.fail(error)
    except click.UsageError as error:
        hint = f"Try: {error.ctx.command_path} --help" if error.ctx else "Try: darkroom --help"
        return output.fail(UsageError(error.format_message(), hint))
    except click.ClickException as error:
        return output.fail(DarkroomError(error.format_message()))
    except (KeyboardInterrupt, click.Abort):
        output.say("Interrupted. What was done stays done; run the command again to go on.")
        return 130
    return code if isinstance(code, int) else 0


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))
