"""`darkroom dataset`: from a file to a published, offered dataset, and what anyone can see of it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from app.cli import certify, search, table_profile
from app.cli.context import AsJson, AsOwner, CommandContext
from app.cli.table_profile import File
from app.console.output import facts_table, rows_table
from app.protocol.market.money import dollars
from app.protocol.vocabulary import Encoding

if TYPE_CHECKING:
    from app.client.publish_plan import PublishedDataset, PublishPlan

app = typer.Typer(no_args_is_help=True, help="Tables: look at one, publish it encrypted, offer it, search.")
FullRecipe = Annotated[
    Path, typer.Option("--recipe", help="TOML recipe; draft one with: darkroom dataset recipe.", exists=True)
]
Bins = Annotated[bool, typer.Option(help="Publish comparison bits too, where the recipe has bins.")]
Yes = Annotated[bool, typer.Option("--yes", help="Publish what is shown without asking; scripts and --json need it.")]
Number = Annotated[int, typer.Argument(help="The dataset's number.", min=1)]


app.command("profile")(table_profile.profile)
app.command("recipe")(table_profile.recipe)


@app.command("publish")
def publish(
    file: File,
    recipe: FullRecipe,
    offer: Annotated[bool, typer.Option(help="Also offer licenses on the recipe's terms.")] = True,
    bins: Bins = True,
    keys: Annotated[str | None, typer.Option(help="A new keyring's name; by default after the file.")] = None,
    yes: Yes = False,
    role: AsOwner = "owner",
    as_json: AsJson = False,
) -> None:
    """Encrypt a table on this machine and publish ciphertext, manifest and preview, with a record on chain.

    Everything is checked, and what becomes public and what is sold of a person is shown and asked for, before any key,
    ciphertext or transaction is made. Where it fails, nothing of it stays, keys included.
    """
    from app.client.publishing import check_offer, publish_plan
    from ingestion.completeness import check_filled
    from ingestion.recipe import read_recipe

    session = CommandContext(role, as_json)
    read = read_recipe(recipe)
    check_filled(read, offered=offer)

    def making(name: str) -> None:
        session.out.say(f"Making the keys {name} through Concrete; this takes some ten seconds.")

    with session.owner.plan(file, read) as plan:
        shown = _say(session, plan, bins)
        if offer:
            check_offer(session.owner, plan)
        session.out.ask("Publish this?", yes=yes)
        with session.out.encryption() as progress:
            published = publish_plan(session.owner, plan, keys=keys, bins=bins, making=making, progress=progress)
        name = session.owner.cabinet.name_of(published.prepared.digest)
        value = _told(plan, published) | {"reveals": shown, "dataset": published.sent.value, "keys": name}
    if offer:
        made = session.owner.offer(published.sent.value, read.policy, read.offer)
        value |= {"offer": made.value, "offer_transaction": made.tx, "offer_gas": made.gas}
    _show(session, value)


@app.command("update")
def update(
    number: Number,
    file: File,
    recipe: FullRecipe,
    rotate: Annotated[bool, typer.Option("--rotate", help="Under a new epoch of the dataset's keys.")] = False,
    bins: Bins = True,
    yes: Yes = False,
    role: AsOwner = "owner",
    as_json: AsJson = False,
) -> None:
    """Publish a new version of a dataset, shown and asked for first; open jobs go on with the version they name.

    The file is the whole table, with rows corrected or columns added or replaced; what stays the same is kept.
    """
    _new_version(CommandContext(role, as_json), number, file, recipe, rotate=rotate, bins=bins, yes=yes)


@app.command("append")
def append(
    number: Number, file: File, recipe: FullRecipe, yes: Yes = False, role: AsOwner = "owner", as_json: AsJson = False
) -> None:
    """Publish a new version with more rows, those of a file: the present ones keep their numbers and ciphertext."""
    _new_version(CommandContext(role, as_json), number, file, recipe, append=True, yes=yes)


def _new_version(
    session: CommandContext,
    number: int,
    file: Path,
    recipe: Path,
    *,
    rotate: bool = False,
    append: bool = False,
    bins: bool = True,
    yes: bool,
) -> None:
    from ingestion.recipe import read_recipe

    read = read_recipe(recipe)
    with session.owner.plan(file, read, number, append=append) as plan:
        shown = _say(session, plan, bins)
        session.out.ask("Publish this version?", yes=yes)
        with session.out.encryption() as progress:
            published = session.owner.update(
                number,
                file,
                read,
                rotate=rotate,
                append=append,
                plan=plan,
                encodings=_encodings(bins),
                progress=progress,
            )
        value = _told(plan, published) | {
            "reveals": shown,
            "dataset": number,
            "epoch" if rotate else "version": published.sent.value,
            "files_kept": published.prepared.kept,
        }
    _show(session, value)


@app.command("unfinished")
def unfinished(
    sweep: Annotated[str, typer.Option(help="Take back what the publication under this keyring made.")] = "",
    yes: Yes = False,
    role: AsOwner = "owner",
    as_json: AsJson = False,
) -> None:
    """Publications that were killed or stopped: publishing the same file again goes on with its keys and ciphertext."""
    session = CommandContext(role, as_json)
    if sweep:
        session.out.ask(f"Take back the keys and ciphertext made under {sweep}?", yes=yes)
        session.owner.unfinished.sweep(sweep)
    rows = [asdict(each) for each in session.owner.unfinished.list()]
    session.out.show(rows, lambda out: out.print(rows_table(rows, empty="No publication was cut short.")))


@app.command("retire")
def retire(
    number: Number,
    epoch: Annotated[int, typer.Argument(help="The key epoch to end.", min=1)],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    role: AsOwner = "owner",
    as_json: AsJson = False,
) -> None:
    """Destroy an epoch's secret keys for good, once no open job needs them, and say so on chain."""
    session = CommandContext(role, as_json)
    if not yes:
        typer.confirm(f"Destroy the keys of epoch {epoch}? Its ciphertexts become unreadable.", abort=True, err=True)
    value = {"dataset": number, "epoch": epoch, "transaction": session.owner.retire(number, epoch)}
    session.out.show(value, lambda out: out.print(facts_table(value)))


def _encodings(bins: bool) -> tuple[Encoding, ...]:
    return ("affine", "bins") if bins else ("affine",)


def _say(session: CommandContext, plan: PublishPlan, bins: bool) -> list[dict[str, str]]:
    """What a publication will make public and sell, before anything of it is done."""
    from app.client.publishing import reveals

    shown = reveals(plan, bins=bins)
    table = rows_table([{key: escape(text) for key, text in row.items()} for row in shown], title="Becomes public")
    session.out.err.print(table)
    for words in plan.sells:
        session.out.say(f"[red]{escape(words)}[/]" if words.startswith("Raw scores") else escape(words))
    for warning in plan.warnings:
        session.out.say(f"[yellow]note[/]: {escape(warning)}")
    return shown


def _show(session: CommandContext, value: dict[str, Any]) -> None:
    """The result; to people what becomes public and what is sold was said before."""
    drawn = {key: each for key, each in value.items() if key not in ("reveals", "sells")}
    session.out.show(value, lambda out: out.print(facts_table(drawn)))


def _told(plan: PublishPlan, published: PublishedDataset) -> dict[str, Any]:
    table = published.prepared.manifest.table
    return {
        "rows": table.rows,
        "manifest": published.prepared.cid,
        "card": published.prepared.card_cid,
        "data_root": table.data_root,
        "transaction": published.sent.tx,
        "gas": published.sent.gas,
        "sells": plan.sells,
    }


@app.command("offer")
def offer(number: Number, recipe: FullRecipe, role: AsOwner = "owner", as_json: AsJson = False) -> None:
    """Offer licenses on a published dataset, on the terms and under the policy of a recipe."""
    from ingestion.completeness import check_filled
    from ingestion.recipe import read_recipe

    session = CommandContext(role, as_json)
    read = read_recipe(recipe)
    check_filled(read, offered=True)
    sent = session.owner.offer(number, read.policy, read.offer)
    value = {"offer": sent.value, "transaction": sent.tx, "gas": sent.gas}
    session.out.show(value, lambda out: out.print(facts_table(value)))


app.command("search")(search.search)
app.command("certify")(certify.certify)
app.command("certificate")(certify.certificate)


@app.command("list")
def list_datasets(as_json: AsJson = False) -> None:
    """All datasets of the market, each read from chain and store."""
    from app.client.dataset import Dataset

    session = CommandContext("anyone", as_json)
    rows: list[dict[str, Any]] = []
    for number in range(1, session.network.market.dataset_count() + 1):
        dataset = Dataset.open(session.network, number)
        prices = [offer for offer in session.network.market.offers(number) if offer.active]
        rows.append(
            {
                "dataset": number,
                "title": dataset.manifest.card.title,
                "rows": dataset.record.rows,
                "columns": len(dataset.columns),
                "version": dataset.record.version,
                "epoch": dataset.record.epoch,
                "offers": len(prices),
                "license_from": dollars(min(each.price_license for each in prices)) if prices else "-",
            }
        )
    session.out.show(rows, lambda out: out.print(rows_table(rows, empty="No dataset is published yet.")))


@app.command("show")
def show(number: Number, as_json: AsJson = False) -> None:
    """A dataset's card, columns, policy, offers and certified figures."""
    from rich.markdown import Markdown

    from app.client.certificate import CERTIFIED, OWNERS_WORD, certified
    from app.client.dataset import Dataset
    from ingestion.card import card_markdown
    from ingestion.quantization import step_share

    session = CommandContext("anyone", as_json)
    dataset = Dataset.open(session.network, number)
    offers = [
        {
            "offer": each.id,
            "license": dollars(each.price_license),
            "job": dollars(each.price_job),
            "row": dollars(each.price_row),
            "jobs": each.max_jobs,
            "rows": each.max_rows,
            "days": each.duration // 86_400,
            "active": each.active,
        }
        for each in session.network.market.offers(number)
    ]
    found = certified(session.network.market, session.network.store, number)
    value = {
        "dataset": number,
        "owner": dataset.record.owner,
        "manifest": dataset.record.manifest,
        "version": dataset.record.version,
        "epoch": dataset.record.epoch,
        "rows": dataset.record.rows,
        "codebook": dataset.codebook.digest,
        "columns": [
            column.model_dump(mode="json") | {"step_share": step_share(column)} for column in dataset.codebook.columns
        ],
        "products": [product.name for product in dataset.codebook.products],
        "policy": dataset.manifest.policy.model_dump(mode="json"),
        "offers": offers,
        "certified": [{"job": each.said.job, "question": each.said.sql, "means": CERTIFIED} for each in found],
    }

    def draw(out: Any) -> None:
        out.print(Markdown(card_markdown(dataset.manifest)))
        out.print(f"Every figure above is {OWNERS_WORD}.")
        for each in found:
            out.print(rows_table(each.answer.to_dicts(), title=f"{each.said.sql} (job {each.said.job})"))
        if found:
            out.print(f"The figures of these jobs are {CERTIFIED}: darkroom audit --certificate {number}")
        out.print(rows_table(offers, title="Offers", empty="No offers yet."))

    session.out.show(value, draw)


@app.command("versions")
def versions(number: Number, as_json: AsJson = False) -> None:
    """A dataset's versions, and what each changed: rows, columns, keys, and how much ciphertext stayed as it was."""
    from app.client.versions import history
    from app.protocol.data.change import change_in_words

    session = CommandContext("anyone", as_json)
    found = list(enumerate(history(session.network, number), 1))
    rows = [{"version": version, **asdict(each), "changed": change_in_words(each)} for version, each in found]
    drawn = [
        {
            "version": version,
            "epoch": each.epoch,
            "rows": each.rows,
            "changed": escape("; ".join(change_in_words(each))),
        }
        for version, each in found
    ]
    session.out.show(rows, lambda out: out.print(rows_table(drawn)))


@app.command("export")
def export(
    number: Number,
    out: Annotated[Path, typer.Option(help="The CAR file to write.")],
    as_json: AsJson = False,
) -> None:
    """Write a dataset's manifest and everything it names to one CAR file, whose root is the manifest."""
    from app.client.archive import write_archive

    session = CommandContext("anyone", as_json)
    with session.out.progress("write blocks") as progress:
        value = asdict(write_archive(session.network, number, out, progress))
    session.out.show(value, lambda console: console.print(facts_table(value)))


@app.command("import")
def import_archive(file: File, as_json: AsJson = False) -> None:
    """Put a dataset's CAR file into the store, block by block, each checked, and read the whole dataset once."""
    from app.client.archive import read_archive

    session = CommandContext("anyone", as_json)
    with session.out.progress("read blocks") as progress:
        value = asdict(read_archive(session.network.store, file, progress))
    session.out.show(value, lambda console: console.print(facts_table(value)))


@app.command("loss")
def loss(
    number: Number,
    sample: Annotated[Path, typer.Argument(help="Rows of your own, with the table's columns.")],
    as_json: AsJson = False,
) -> None:
    """What the dataset's codes lose of your own rows, before anything is bought. Nothing of them is sent."""
    from app.client.dataset import Dataset
    from app.client.training import read_sample
    from ingestion.quantization import coding_loss

    session = CommandContext("anyone", as_json)
    dataset = Dataset.open(session.network, number)
    losses = coding_loss(dataset.codebook, read_sample(dataset, sample, None), dataset.features)
    rows = [asdict(each) for each in losses]
    session.out.show(rows, lambda out: out.print(rows_table(rows, title="What codes lose")))


@app.command("preview")
def preview(
    number: Number,
    out: Annotated[Path | None, typer.Option(help="Write the rows as CSV.")] = None,
    as_json: AsJson = False,
) -> None:
    """Synthetic rows in the dataset's form, drawn from its codebook alone: for rehearsals."""
    from app.client.dataset import Dataset

    session = CommandContext("anyone", as_json)
    frame = Dataset.open(session.network, number).preview()
    if out is not None:
        frame.write_csv(out)
    session.out.show(frame.to_dicts(), lambda console: console.print(frame))
