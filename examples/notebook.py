# %% [markdown]
# # A market in a notebook
# Open this file in VS Code, or in Jupyter with jupytext; or run it: `python examples/notebook.py`. It looks around in a
# market in which something was published, rehearses, and shows this buyer's last result. Nothing here pays.

# %%
"""A buyer's notebook, in percent format: each cell's last line shows itself."""

from __future__ import annotations

from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

import darkroom

market = darkroom.connect(create=True)
market

# %% What is there
datasets = market.datasets()  # where a node runs: market.search("measurements", rows_min=100)
datasets

# %% One of them: its columns and their codes, its offers, synthetic rows in its form
dataset = datasets[0]
dataset.codebook

# %%
dataset.offers()

# %%
preview = dataset.preview()
preview

# %% A model of rows of your own, coded by the dataset's codebook on your machine
table = load_breast_cancer()
fitted = LogisticRegression(max_iter=5000).fit(dataset.encode(table.data[1::2]), table.target[1::2])
model = dataset.compile(fitted, columns=dataset.columns, fitted_on="codes", predicts="benign")
model

# %% What it says of the synthetic rows, in the clear and for free
rehearsed = dataset.rehearse(model)
rehearsed[:10]

# %% What a job would cost and tell; `dataset.run(model, max_price=20)` would order it
quote = dataset.quote(model, rows=50)
quote

# %% The last result, opened on this machine; and what an audit of its job says
jobs = market.jobs()
result = jobs[-1].result(timeout=600) if jobs else None
result

# %%
frame = None if result is None else result.to_pandas()
frame

# %%
audit = jobs[-1].audit() if jobs else None
audit
