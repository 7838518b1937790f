#!/bin/sh
# forge with the pinned solc from npm: `tools/forge.sh test`. Needs setup.sh to have run once.
set -eu
contracts=$(cd "$(dirname "$0")/.." && pwd)
. "$contracts/tools/node-path.sh"
cd "$contracts"
forge=$(ls -d node_modules/@foundry-rs/forge-*/bin/forge 2>/dev/null | head -n 1)
[ -n "$forge" ] || { echo "forge is not installed. Run: contracts/setup.sh" >&2; exit 2; }
# forge takes the compiler by absolute path only, which no committed file can hold.
export FOUNDRY_SOLC="$contracts/tools/solc"
export FOUNDRY_OFFLINE=true
exec "$contracts/$forge" "$@"
