#!/bin/sh
# Makes .venv in this checkout: locked dependencies by hash, Darkroom itself editable, the native core built.
# Run again it changes nothing, until a lock, pyproject.toml or this script does. PYTHON=... names an interpreter.
set -eu
cd "$(dirname "$0")/.."

lock=locks/dev.txt
stamp=.venv/.darkroom-setup

version() { "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null; }
supported() { case "$(version "$1")" in 3.11.* | 3.12.*) return 0 ;; *) return 1 ;; esac; }
say() { printf '%s\n' "$*" >&2; }

choose_python() {
    if [ -n "${PYTHON:-}" ]; then
        supported "$PYTHON" && { command -v "$PYTHON"; return 0; }
        found=$(version "$PYTHON" || true)
        say "Darkroom needs Python 3.11 or 3.12, but PYTHON=$PYTHON is ${found:-not a Python that runs}."
        return 1
    fi
    seen=
    for name in python3.12 python3.11 python3 python; do
        supported "$name" && { command -v "$name"; return 0; }
        found=$(version "$name" || true)
        [ -z "$found" ] || seen="${seen:+$seen, }$name is $found"
    done
    say "Darkroom needs Python 3.11 or 3.12; on PATH ${seen:-there is no Python at all}." \
        "Install one, or name it: make setup PYTHON=/path/to/python3.12"
    return 1
}

digest() { .venv/bin/python - "$@" <<'PY'
import hashlib, pathlib, sys

total = hashlib.sha256(f"{sys.version} {pathlib.Path.cwd()}".encode())
for name in sys.argv[1:]:
    total.update(hashlib.sha256(pathlib.Path(name).read_bytes()).digest())
print(total.hexdigest())
PY
}

if [ -e .venv ] && ! supported .venv/bin/python; then
    say "Darkroom needs Python 3.11 or 3.12, but .venv holds $(version .venv/bin/python || echo 'none that runs')." \
        "Remove it and run again: rm -r .venv && make setup"
    exit 1
fi

if [ ! -e .venv ]; then
    python=$(choose_python) || exit 1
    say "Making .venv with $python ($(version "$python"))."
    if command -v uv >/dev/null 2>&1; then
        uv venv --quiet --python "$python" .venv
    else
        "$python" -m venv .venv || {
            rm -rf .venv
            say "$python cannot make virtual environments. Install its venv module (on Debian: python3-venv) or uv."
            exit 1
        }
    fi
fi

now=$(digest "$lock" pyproject.toml hatch_build.py scripts/setup.sh)
if [ "$now" != "$(cat "$stamp" 2>/dev/null || true)" ]; then
    say "Installing what $lock names (about 6 GB once unpacked, most of it for Concrete ML)."
    if command -v uv >/dev/null 2>&1; then
        uv pip install --quiet --python .venv/bin/python --require-hashes --requirements "$lock"
        uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
    else
        .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip --upgrade >/dev/null
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$lock"
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
    fi
    printf '%s\n' "$now" >"$stamp"
fi

.venv/bin/python -m fhe.engine.native.build >&2
