#!/bin/sh
# Builds the documents' site into build/site/pages; a link or an anchor that leads nowhere fails it.
set -eu
cd "$(dirname "$0")/../.."

site=build/site
rm -rf "$site"
mkdir -p "$site/source/contracts"
cp scripts/site/mkdocs.yml "$site"
cp README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md LICENSE "$site/source"
cp -R docs examples "$site/source"
cp contracts/*.md "$site/source/contracts"
.venv/bin/zensical build --strict --config-file "$site/mkdocs.yml"
echo "$site/pages/index.html"
