#!/bin/sh
# Makes .venv in this checkout: locked dependencies by hash, Darkroom itself editable, the native core built.
# `setup.sh buyer` installs what a user runs, `setup.sh` that and what a developer needs. Run again it changes nothing,
# until a lock, pyproject.toml or this script does. PYTHON=... names an interpreter.
set -eu
cd "$(dirname "$0")/.."

part=${1:-dev}
lock=locks/$part.txt

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

# A stamp for each part that is installed whole; the developer's holds the buyer's too.
stamp() { echo ".venv/.darkroom-setup-$1"; }
now() { digest "locks/$1.txt" pyproject.toml hatch_build.py scripts/setup.sh; }
is_installed() { [ "$(now "$1")" = "$(cat "$(stamp "$1")" 2>/dev/null || true)" ]; }

# How much is there and for how long this has run, on one line, where somebody looks.
progress() {
    [ -t 2 ] || return 0
    begun=$(date +%s)
    while sleep 2; do
        printf '\r  %s installed, %s s ' "$(du -sh .venv 2>/dev/null | cut -f1)" "$(($(date +%s) - begun))" >&2
    done
}

with_uv() {
    "$1" pip install --quiet --python .venv/bin/python --require-hashes --requirements "$lock" &&
        "$1" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
}
with_pip() { .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"; }

install() {
    if command -v uv >/dev/null 2>&1; then
        with_uv uv
        return
    fi
    .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip --upgrade >/dev/null
    # uv installs in a fraction of pip's time; where pip cannot bring it, or it cannot reach what pip can, pip does all
    if with_pip --only-binary :all: --require-hashes --requirement locks/uv.txt 2>/dev/null &&
        with_uv .venv/bin/uv 2>/dev/null; then
        return
    fi
    with_pip --require-hashes --requirement "$lock"
    with_pip --no-deps --no-build-isolation --editable .
}

if ! is_installed "$part" && ! is_installed dev; then
    case $part in buyer) fetched="3.6 GB" ;; *) fetched="about 4 GB" ;; esac
    say "Installing what $lock names: $fetched to fetch, nearly all of it Concrete ML's torch."
    progress &
    shown=$!
    trap 'kill $shown 2>/dev/null || true' EXIT
    install
    kill $shown 2>/dev/null || true
    [ ! -t 2 ] || say ""
    now "$part" >"$(stamp "$part")"
fi

.venv/bin/python -m fhe.engine.native.build >&2
