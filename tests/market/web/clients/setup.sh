#!/bin/sh
# Installs ethers and viem into tests/market/web/clients/node_modules, exactly as package-lock.json says.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
contracts=$here/../../../../contracts
. "$contracts/tools/node-path.sh"
cd "$here"
# No script of any package runs.
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
