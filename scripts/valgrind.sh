#!/usr/bin/env bash
# Runs the tests of the PJRT binding under Valgrind's memcheck: buffers, programs, several devices, handlers called
# from inside programs, and handles dropped in every order. Needs `valgrind` (a package of every distribution) and
# takes about ten minutes. Prints one line, or Valgrind's report and exit status 1.
#
#     scripts/valgrind.sh [filter of tests ...]
set -euo pipefail
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || { echo "scripts/valgrind.sh needs valgrind: install the package \`valgrind\`" >&2; exit 2; }
program=$(cargo test -p raxla-xla --test all --no-run --message-format=json 2>/dev/null |
    python3 -c 'import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable") and message["target"]["name"] == "all": print(message["executable"])')
[ $# -gt 0 ] || set -- arrays:: devices:: ffi:: programs:: aborts::
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Tests that fork, or load a plugin in a child, are the child's business, and Valgrind's own child is slow.
skip=(--skip a_forked_child --skip aborts::child)
cd xla_extension
if valgrind --tool=memcheck --error-exitcode=9 --num-callers=25 --suppressions=../scripts/valgrind.supp \
    "$program" --test-threads=1 "${skip[@]}" "$@" >"$log" 2>&1; then
    grep '^test result' "$log"
    grep 'ERROR SUMMARY' "$log" | tail -1
else
    cat "$log"
    exit 1
fi
