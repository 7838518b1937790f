"""`python -m app.cli`: the `darkroom` command, by the interpreter that is asked."""

from __future__ import annotations

from app.cli.main import main

main()
