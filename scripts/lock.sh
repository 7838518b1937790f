#!/bin/sh
# Writes the locks from pyproject.toml. Versions move only where pyproject.toml forces them, or with:
# make lock UPGRADE=1
set -eu
cd "$(dirname "$0")/.."
compile() {
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --custom-compile-command "make lock" ${UPGRADE:+--upgrade} "$@"
}
extras="--extra buyer --extra s3 --extra ray --extra otel --extra mcp --extra x402"
# shellcheck disable=SC2086 # several words are meant
compile pyproject.toml $extras --group build --group dev --group bench --output-file locks/dev.txt
compile pyproject.toml --extra s3 --constraints locks/dev.txt --output-file locks/provider.txt
compile pyproject.toml --extra buyer --extra s3 --group build --constraints locks/dev.txt --output-file locks/buyer.txt
echo "torch; python_version < '3'" |
    compile pyproject.toml --extra owner --extra s3 --overrides - --constraints locks/dev.txt \
        --output-file locks/owner.txt
compile --group build --constraints locks/dev.txt --output-file locks/build.txt
compile --group uv --constraints locks/dev.txt --output-file locks/uv.txt
