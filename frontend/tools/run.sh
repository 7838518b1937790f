#!/bin/sh
# Runs one of the installed tools at the project's root: `run.sh biome check`, `run.sh tsc`. Without them it says so
# and succeeds, unless CI is true.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tool=$1
shift
case $tool in
biome) program=@biomejs/biome/bin/biome ;;
tsc) program=typescript/bin/tsc ;;
*) echo "run.sh runs biome or tsc, not $tool." >&2 && exit 2 ;;
esac
if ! cmp -s "$here/package-lock.json" "$here/node_modules/.darkroom-lock"; then
  echo "JavaScript is not checked: $tool is not installed. Run: make frontend" >&2
  [ "${CI:-}" != true ]
  exit
fi
contracts=$here/../../contracts
. "$contracts/tools/node-path.sh"
cd "$here/../.."
exec node "$here/node_modules/$program" "$@"
