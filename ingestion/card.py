"""The dataset card: a manifest in words, for people who decide whether to buy."""

from __future__ import annotations

from app.protocol.data.dataset import Codebook, ColumnCode
from app.protocol.data.derivation import derivation_in_words
from app.protocol.data.manifest import Manifest
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.bits import describe_bits, person_limit
from app.protocol.policy.rules import rank_limit
from ingestion.quantization import step_share


def card_markdown(manifest: Manifest) -> str:
    """The card as Markdown; all of it follows from the manifest."""
    card, table = manifest.card, manifest.table
    size = sum(check.bytes for check in manifest.checks)
    parts = [
        f"# {_line(card.title)}",
        card.description.strip(),
        f"{table.rows:,} rows, {len(manifest.codebook.columns)} columns, {size:,} bytes of ciphertext.",
        f"Version {card.version} of {card.published}, by {_line(card.creator)}.",
        "## Terms",
        card.license.strip(),
        "## What a licensed job may reveal",
        "\n".join(f"- {rule}" for rule in policy_in_words(manifest.policy, manifest.codebook)),
        "## Columns",
        _columns(manifest.codebook),
    ]
    if manifest.codebook.products:
        parts += ["## Products", products_in_words(manifest.codebook)]
    if manifest.preview is not None:
        rows, seed = manifest.preview.rows, manifest.preview.seed
        about = f"{rows} synthetic rows, drawn from the codes above and nothing else (seed {seed})"
        parts += ["## Preview", f"{about}: `{manifest.preview.cid}`"]
    return "\n\n".join(parts) + "\n"


def policy_in_words(policy: OutputPolicy, codebook: Codebook) -> list[str]:
    """Each rule of an output policy as one sentence, for a table with these codes."""
    verified = {
        "self": "recomputes every result itself before it decrypts",
        "both": f"recomputes every result itself and asks {policy.quorum} independent providers to agree",
        "window": f"asks {policy.quorum} independent providers to agree and leaves their result open to objections for"
        f" {policy.challenge_hours} hours; it recomputes what nobody could object to",
    }[policy.verify]
    rounded = "not rounded at all" if policy.raw_scores else f"rounded to {policy.levels} levels of its range"
    released = {
        "label": f"Only the predicted label of a row is released; the score of a model without labels is {rounded}.",
        "score": f"The model's score of a row is released, {rounded}.",
        "aggregate": f"Only sums over groups of at least {policy.min_group} rows are released, with noise.",
    }[policy.release]
    one, all_buyers = describe_bits(policy.micro_bits_per_license), describe_bits(person_limit(policy, codebook))
    rank = rank_limit(policy, len(codebook.source_names))
    rules = [
        released,
        f"A license is told at most {one} bits (yes-or-no facts) about a person, all buyers for ever {all_buyers}.",
        f"Models of these kinds are allowed: {', '.join(policy.circuits)}.",
        f"A job covers at most {policy.max_rows_per_job:,} rows and {policy.max_bootstraps:,} bootstraps.",
        f"Over all buyers, at most {rank} linear forms of the same rows are ever released.",
        f"A model may put at most {policy.max_concentration:.0%} of its variance in one column.",
        f"The custodian {verified}.",
        "Each release waits for the owner's approval." if policy.approval == "manual" else "Releases need no approval.",
    ]
    if policy.raw_scores:
        rules.insert(
            1, f"Raw scores: as many of them as there are columns ({len(codebook.columns)}) give the columns away."
        )
    if policy.row_keys:
        rules.append(
            f"Beside each result its buyer reads the row's key: a text of the owner's, at most {policy.row_keys} bytes."
        )
    if policy.epsilon_micro_per_job:
        rules.append(f"Noise is added: {policy.epsilon_micro_per_job / 1e6:g} epsilon a job.")
    return rules


def code_in_words(column: ColumnCode) -> tuple[str, str]:
    """A column's affine code and its bins, each in a few words; "" for what it does not have."""
    affine = column.affine and f"{column.affine.levels} levels of {column.affine.step:.6g} from {column.affine.low:.6g}"
    if affine and (share := step_share(column)):  # a value in range is off by half of a step at most
        affine += f", each {share:.2%} of the range"
    bins = column.bins and f"{len(column.bins) + 1} bins, edges {column.bins[0]:.6g} to {column.bins[-1]:.6g}"
    return affine or "", bins or ""


def products_in_words(codebook: Codebook) -> str:
    """Which products of columns are published, as Markdown: by what they are products of."""
    pairs = [product for product in codebook.products if all(factor.edge is None for factor in product.factors)]
    bits = [product for product in codebook.products if product not in pairs]
    said = []
    if pairs:
        names = dict.fromkeys(factor.column for product in pairs for factor in product.factors)
        said.append(f"{len(pairs)} products of two codes, of {', '.join(map(_line, names))}.")
    if bits:
        names = dict.fromkeys(factor.column for product in bits for factor in product.factors)
        said.append(f"{len(bits)} products with a bit of a bin, of {', '.join(map(_line, names))}.")
    return " ".join(said) + " They are read by sums over rows alone: means under a condition, models, tests of models."


def _columns(codebook: Codebook) -> str:
    derived = any(column.derivation is not None for column in codebook.columns)
    heads = ("column", *(["is"] if derived else []), "type", "code", "bins", "missing", "outside", "range")
    rows = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for column in codebook.columns:
        affine, bins = code_in_words(column)
        missing = column.missing if column.impute is None else f"{column.impute:.6g} instead"
        range_ = "declared" if column.declared else "measured"
        rule = derivation_in_words(column.derivation, column.reads, codebook.source(column.reads))
        kind = f"{column.dtype}, to predict" if column.label else column.dtype
        cells = (column.name, *([rule] if derived else []), kind, affine, bins, missing, column.outside, range_)
        rows.append("| " + " | ".join(_line(cell) for cell in cells) + " |")
    return "\n".join(rows)


def _line(text: str) -> str:
    """Text that stays on its line, and in its cell."""
    return " ".join(text.split()).replace("|", "\\|")
