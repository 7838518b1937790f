"""A buyer: trains on rows of its own, runs the model on an encrypted dataset, and opens the result.

    python examples/buyer.py            # orders, waits, opens
    python examples/buyer.py 7          # takes job 7 up again, for instance after this program was ended

Someone has to compute and to release meanwhile: `darkroom up`, or examples/provider.py twice and examples/owner.py.
"""

from __future__ import annotations

import sys

from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

import darkroom


def order(market: darkroom.Market) -> darkroom.Job:
    """Compile a model for the newest dataset and run it on all of its rows."""
    dataset = market.datasets()[0]
    table = load_breast_cancer()
    rows, labels = table.data[1::2], table.target[1::2]  # the buyer's own: the owner has the others
    fitted = LogisticRegression(max_iter=5000).fit(dataset.encode(rows), labels)
    model = dataset.compile(fitted, columns=dataset.columns, fitted_on="codes", predicts="benign")
    print(dataset.quote(model))
    return dataset.run(model, max_price=20)  # test dollars, license and fees included


def main(number: int | None = None) -> None:
    """Order, or take a job up again, and show its result."""
    market = darkroom.connect(create=True)
    if number is None and market.balance < 20:
        market.faucet(1000)
    job = order(market) if number is None else market.job(number)
    print(f"job {job.number} is {job.state}; take it up again with: python examples/buyer.py {job.number}")
    result = job.result(timeout=600)
    print(result, result.to_polars().head(), sep="\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
