"""Darkroom for Python programs: buy results of your models on encrypted datasets, publish your own, compute, audit.

    import darkroom

    market = darkroom.connect()                      # the market that this machine's home is set up for, as its buyer
    dataset = market.dataset(1)
    codes = dataset.encode(frame)                    # your own rows, coded by the dataset's codebook, on your machine
    model = dataset.compile(LogisticRegression().fit(codes, labels))
    print(dataset.quote(model))                      # price, what it tells of a person, what would keep it from going
    job = dataset.run(model, max_price=10)           # test dollars; nothing is paid above the bound, or without one
    job.result().to_polars()                         # waits, then opens the sealed result on this machine
    job.audit()                                      # every fact of it, re-executed and checked by you

Only the names of `__all__` are public; everything inside `darkroom.app` and its neighbours may change with any version.
Amounts are test dollars as `decimal.Decimal`; digests are 64 hex digits, addresses EIP-55 text. Everything that fails
on purpose raises an error of `darkroom.errors`, whose `next_step` says what to do. Importing this package loads
nothing; libraries are loaded where they are used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app import __version__
    from darkroom import errors
    from darkroom.answers import Evaluation, Reply
    from darkroom.codebook import Codebook
    from darkroom.computing import Provider
    from darkroom.dataset import Dataset
    from darkroom.display import Listing, Served
    from darkroom.encoding import CodebookEncoder
    from darkroom.fitting import fit
    from darkroom.mandates import Mandate, Mandates
    from darkroom.market import Market, connect, owner
    from darkroom.model import Model
    from darkroom.networks import LookupNetwork
    from darkroom.orders import Audit, Job, Quote, Result
    from darkroom.selling import Owner, Publication, Revenue
    from darkroom.terms import License, Offer

_HOMES = {
    "Audit": "orders",
    "Codebook": "codebook",
    "CodebookEncoder": "encoding",
    "Dataset": "dataset",
    "Evaluation": "answers",
    "Job": "orders",
    "License": "terms",
    "LookupNetwork": "networks",
    "Listing": "display",
    "Mandate": "mandates",
    "Mandates": "mandates",
    "Market": "market",
    "Model": "model",
    "Offer": "terms",
    "Owner": "selling",
    "Provider": "computing",
    "Publication": "selling",
    "Quote": "orders",
    "Reply": "answers",
    "Result": "orders",
    "Revenue": "selling",
    "Served": "display",
    "connect": "market",
    "fit": "fitting",
    "owner": "market",
}

__all__ = [
    "Audit",
    "Codebook",
    "CodebookEncoder",
    "Dataset",
    "Evaluation",
    "Job",
    "License",
    "Listing",
    "LookupNetwork",
    "Mandate",
    "Mandates",
    "Market",
    "Model",
    "Offer",
    "Owner",
    "Provider",
    "Publication",
    "Quote",
    "Reply",
    "Result",
    "Revenue",
    "Served",
    "__version__",
    "connect",
    "errors",
    "fit",
    "owner",
]


if not TYPE_CHECKING:  # a checker knows the names from above, and that there are no others

    def __getattr__(name: str) -> Any:
        """A public name, loaded when it is first asked for."""
        if name == "errors":
            return importlib.import_module(f"{__name__}.errors")
        if name == "__version__":
            from app import __version__

            return __version__
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
