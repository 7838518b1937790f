"""What the index answers: one module a subject, each function from a session to frozen values, ready for JSON.

    with database.session() as session:
        page = search(session, CatalogueFilter(text="credit", classes=("trees",)), sort=CatalogueSort.PRICE)

Every function only reads. `now` is the chain's clock in seconds since the epoch. Amounts are token units; in JSON they
are decimal text, since they can be above 2^53. Cursors (`after`, `Page.next`) are opaque and stay good while rows come
and go. Errors: NotFound for an id that the index does not hold, BadInput for a cursor that is none and for limits out
of range.
"""
