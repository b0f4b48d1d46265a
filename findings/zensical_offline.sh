#!/usr/bin/env bash
# Zensical's setting `offline`, which is to let a site be searched from a folder on disk, puts a script
# of another server into every page: without the internet nothing is found there. A script of one's
# own under `extra.polyfills`, with "iframe-worker" in its name, is taken instead.
# Needs Python 3.11 or newer and PyPI. Exits with 1 if this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet zensical==0.0.73
"$folder/venv/bin/pip" list 2>/dev/null | grep -i '^zensical'
cd "$folder"
mkdir docs
echo "# A page" >docs/index.md
touch docs/iframe-worker.js

build() { # the scripts that a page loads, for the settings given
    printf '%s\n' "site_name: Offline" "theme: {font: false}" "plugins: [search, offline]" "$@" >mkdocs.yml
    venv/bin/zensical build --clean >/dev/null
    grep -o '<script src="[^"]*"' site/index.html
}

echo "== with the setting offline, a page loads:"
build | tee plain
echo "== with a script of one's own as well:"
build "extra: {polyfills: [iframe-worker.js]}" | tee own

grep -q '"https://unpkg.com/iframe-worker' plain && ! grep -q 'https://' own || {
    echo "This has changed."
    exit 1
}
echo "The setting asks another server for a script, unless a script with such a name is given."
