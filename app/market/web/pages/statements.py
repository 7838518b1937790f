"""An account's payments as a CSV file, for a spreadsheet or a bookkeeper."""

from __future__ import annotations

import csv
import io
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from app.market.queries.owner import payments
from app.market.web.fields import Address
from app.market.web.pages.formatting import iso
from app.market.web.pages.site import Visiting

router = APIRouter()
ROWS = 5_000  # of one file
PAGE = 100
HEADER = ("time", "kind", "amount", "coin", "job", "license", "offer", "dataset", "transaction")


@router.get("/accounts/{address}/statement.csv")
def statement(here: Visiting, address: Address, after: Annotated[str | None, Query(max_length=512)] = None) -> Response:
    """At most 5,000 payments, newest first; the `link` header names the file of older ones where there are any."""
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\n")
    write.writerow(HEADER)
    follows = after
    with here.backend.session() as session:
        for _ in range(ROWS // PAGE):
            found = payments(session, account=address, limit=PAGE, after=follows)
            for each in found.items:
                amount = here.site.plain_money(each.amount)
                about = (each.job, each.license, each.offer, each.dataset)
                write.writerow((iso(each.at), each.kind, amount, here.backend.coin.symbol, *about, each.tx))
            follows = found.next
            if not follows:
                break
    headers = {"content-disposition": f'attachment; filename="darkroom-{address[:8]}.csv"', "cache-control": "no-store"}
    if follows:
        headers["link"] = f'</accounts/{address}/statement.csv?after={follows}>; rel="next"'
    return Response(text.getvalue(), headers=headers, media_type="text/csv; charset=utf-8")
