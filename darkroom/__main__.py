"""The `darkroom` command: the console script, and `python -m darkroom` by the interpreter that is asked."""

from __future__ import annotations

from app.cli.main import main

if __name__ == "__main__":
    main()
