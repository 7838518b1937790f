#!/bin/sh
# Installs the contracts' build and test tools into contracts/node_modules, exactly as package-lock.json says.
set -eu
contracts=$(cd "$(dirname "$0")" && pwd)
. "$contracts/tools/node-path.sh"
cd "$contracts"
# No script of any package runs: the binaries are in the packages themselves.
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
