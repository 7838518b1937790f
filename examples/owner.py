"""A data owner: publishes a table encrypted, offers licenses, releases results, and sees what was earned.

    darkroom init
    python examples/owner.py 600        # serves buyers for ten minutes; run it again to go on

The table here is scikit-learn's breast-cancer table, every second row of it. It never leaves this machine in the clear.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import polars as pl
from sklearn.datasets import load_breast_cancer

import darkroom

RECIPE = """
title = "Breast masses"
description = "Thirty measurements of 285 breast masses."
license = "Results may be published."
creator = "Clinic X"

[table]
rest = "measure"        # the ranges of these columns are public knowledge

[defaults]
outside = "clip"        # a buyer's value beyond a range counts as its end

[offer]                 # in millionths of a test dollar
price_license = 5_000_000
price_job = 1_000_000
max_jobs = 10
"""


def publish(owner: darkroom.Owner) -> darkroom.Publication:
    """Encrypt and offer the table; files of it are needed for this alone."""
    table = load_breast_cancer()
    with tempfile.TemporaryDirectory() as folder:
        data, recipe = Path(folder, "masses.csv"), Path(folder, "masses.toml")
        pl.DataFrame(table.data[::2], schema=list(table.feature_names)).write_csv(data)
        recipe.write_text(RECIPE, encoding="utf-8")
        print("What this makes public, and sells of a person:", *owner.preview(data, recipe), sep="\n  ")
        # without an evaluation key linear and additive models run; with lookups=True (220 MB) trees do too
        return owner.publish(data, recipe, consent=True, bins=False, lookups=False)


def main(seconds: float = 0) -> None:
    """Publish what is not published yet, then answer buyers for so long."""
    owner = darkroom.owner(create=True)
    if not owner.datasets():
        owner.faucet(100)  # for the bond that answers for a custodian's silence
        print(publish(owner))
    end = time.monotonic() + seconds
    while True:
        for each in owner.serve_once():
            print(each)
        if time.monotonic() >= end:
            break
        time.sleep(2)
    print(owner.revenue())


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
