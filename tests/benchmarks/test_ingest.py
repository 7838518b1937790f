"""The benchmark of ingest, on tables of some thousand rows."""

from __future__ import annotations

from benchmarks import ingest


def test_every_table_is_published_and_measured() -> None:
    """Figures of all three tables are there and possible: no spool beside the ciphertext, values as many as bits."""
    figures = ingest.run(lambda done, total: None, ingest.Sizes(5000, 3000, 3000, rivals=False))
    assert (figures["rows"], figures["columns"], figures["values"]) == (5000, 30, 150_000)
    assert figures["bins"]["values"] == 3000 * 30 * 16  # an affine code and fifteen edges
    assert figures["mixed"]["columns"] > 10 * 20 + 10 + 2
    for each in (figures, figures["bins"], figures["mixed"]):
        assert each["cpu_us_per_value"] > 0
        assert each["peak_rss_mb"] > 50
        assert 1 <= each["disk_factor"] < 1.5
    assert figures["quantiles_s"] > 0
