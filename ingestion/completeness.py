"""Whether an owner has filled in what a drafted recipe leaves to them: nothing is published before."""

from __future__ import annotations

from app.protocol.errors import BadRecipe
from ingestion.recipe import Recipe

PLACEHOLDERS = {
    "description": "Say what the rows are, how they were collected, and what they are good for.",
    "license": "Say what buyers may do, or give the URL of your terms.",
    "creator": "Your name or organisation",
}
PRICES = ("price_license", "price_job", "price_row")


def check_filled(recipe: Recipe, *, offered: bool = False) -> None:
    """Errors: BadRecipe with every line that still holds a draft's words; with `offered`, also without any price.

    A free offer is one whose recipe says so: a price of 0.
    """
    open_ = [
        f"{_where(recipe, key)}: {key}"
        for key, words in PLACEHOLDERS.items()
        if getattr(recipe, key).strip().rstrip(".") == words.rstrip(".")
    ]
    if offered and not recipe.offer.model_fields_set & set(PRICES):
        open_.append(f"{_where(recipe, 'offer')}: offer.price_license, price_job or price_row (0 gives it away)")
    if open_:
        raise BadRecipe(
            f"The recipe is not filled in yet: {'; '.join(open_)}.", "Fill these in, then publish; see docs/recipe.md."
        )


def _where(recipe: Recipe, key: str) -> str:
    line = recipe.line(key)
    return f"line {line}" if line else "nowhere" if key == "offer" else "in the recipe"
