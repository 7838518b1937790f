"""From a plan to a published dataset, keys included."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from app.client.custody import USUAL_BOND
from app.client.licenses import check_licenses, left_to_sell
from app.client.owner import Owner
from app.client.publish_plan import PublishedDataset, PublishPlan
from app.protocol.data.derivation import derivation_in_words
from app.protocol.errors import NotAllowed
from app.protocol.market.money import dollars

if TYPE_CHECKING:
    from app.protocol.ports import EncryptionProgress


def reveals(plan: PublishPlan, *, bins: bool = True) -> list[dict[str, str]]:
    """What everybody will read once a plan is published: the recipe's words, how many rows, and each column's code."""
    from ingestion.card import code_in_words, products_in_words

    recipe, surveyed = plan.recipe, plan.surveyed
    words = {key: getattr(recipe, key) for key in ("title", "description", "license", "creator", "version", "url")}
    facts = [("words", key, text, "as the recipe says") for key, text in words.items() if text]
    facts.append(("words", "keywords", ", ".join(recipe.keywords), "as the recipe says"))
    facts.append(("table", "rows", f"{surveyed.measured.rows:,}", "counted"))
    codebook = surveyed.built.codebook
    for column in codebook.columns:
        affine, edges = code_in_words(column)
        rule = derivation_in_words(column.derivation, column.reads, codebook.source(column.reads))
        code = "; ".join(part for part in (rule, affine, edges if bins else "") if part)
        how = "as the recipe says" if column.declared else "MEASURED on the data"
        facts.append(("column", column.name, f"{column.dtype}, {code}", how))
    if codebook.products:
        facts.append(("table", "products", products_in_words(codebook), "as the recipe says"))
    return [dict(zip(("what", "name", "public", "from"), fact, strict=True)) for fact in facts if fact[2]]


def check_offer(owner: Owner, plan: PublishPlan) -> None:
    """What the offer of a new dataset needs, before the dataset is made. Errors: NotAllowed."""
    policy = plan.recipe.policy
    check_licenses(policy, left_to_sell(policy, plan.limit, plan.persons.elsewhere), plan.recipe.offer)
    held = owner.network.market.balance(owner.account.address)
    if held < USUAL_BOND:
        raise NotAllowed(
            f"An offer needs a custodian's bond of {dollars(USUAL_BOND)} dollars; the account holds {dollars(held)}.",
            "Get dollars first (darkroom account faucet, on a test chain), or publish with --no-offer.",
        )


def publish_plan(
    owner: Owner,
    plan: PublishPlan,
    *,
    keys: str | None = None,
    bins: bool = True,
    lookups: bool = True,
    making: Callable[[str], None] = lambda name: None,
    progress: EncryptionProgress | None = None,
) -> PublishedDataset:
    """Publish what was planned under the keyring `keys`, by default a new one named after the file.

    Where the keyring has no keys yet they are made, after `making` was told its name; `lookups` says whether with an
    evaluation key. Without `bins` no comparison bits are published. Where it fails, nothing of it stays, keys included;
    where it is stopped or killed, the next run for the same file goes on.
    Errors: those of `Owner.publish`.
    """
    name = keys or owner.keys_for(plan.path)
    with owner.attempt(name, plan.path) as attempt:
        if attempt.needs_keys(name):
            making(name)
            owner.new_epoch(name, lookups=lookups, store=attempt.store)
        return owner.publish(
            plan.path, plan.recipe, keys=name, plan=plan, encodings=("affine", "bins") if bins else ("affine",),
            progress=progress, attempt=attempt,
        )  # fmt: skip
