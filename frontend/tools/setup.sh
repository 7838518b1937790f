#!/bin/sh
# Installs formatter, linter and type checker into frontend/tools/node_modules, exactly as package-lock.json says.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
contracts=$here/../../contracts
. "$contracts/tools/node-path.sh"
cd "$here"
# No script of any package runs: the binaries are in the packages themselves.
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
