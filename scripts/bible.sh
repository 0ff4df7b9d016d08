#!/usr/bin/env bash
# The King James Bible as a text of 4.2 MB, a verse a line, from Debian's packages bible-kjv and bible-kjv-text:
# `scripts/bible.sh FOLDER` writes FOLDER/bible.txt. The text is compressed in a format of its own, which the program in the package prints.
set -euo pipefail
out=$(realpath -m "${1:?name a folder}")
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -q bible-kjv bible-kjv-text
for package in *.deb; do dpkg-deb -x "$package" .; done
cd usr/lib # (where the program looks for its text)
../bin/bible -f 'gen1:1-rev22:21' | sed -E 's/^[0-9A-Za-z]+:[0-9]+ //' > "$out/bible.txt"
wc -c "$out/bible.txt"
