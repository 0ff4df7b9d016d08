#!/usr/bin/env bash
# Executes the notebooks and compares their outputs with those that are committed.
#
#   scripts/run_notebooks.sh            all of them; fails on a difference that matters
#   scripts/run_notebooks.sh 03 08      those whose names begin so
#   scripts/run_notebooks.sh --update   writes the new outputs into the notebooks
#
# Needs Rust and Python 3 with venv. What else it uses is installed into target/notebooks on first use: evcxr's Jupyter kernel
# (cargo install), nbconvert (pip). RAXLA_EVCXR names an evcxr_jupyter, and RAXLA_JUPYTER a virtual environment, that are there already.
# The kernel builds raxla in EVCXR_TMPDIR, by default a folder of the user's cache directory, once: 10 to 20 minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$PWD/target/notebooks
mkdir -p "$work"

update=
wanted=()
for argument in "$@"; do
  case $argument in
    --update) update=1 ;;
    *) wanted+=("$argument") ;;
  esac
done

evcxr=${RAXLA_EVCXR:-$work/evcxr/bin/evcxr_jupyter}
if [ ! -x "$evcxr" ]; then
  echo "== installing evcxr_jupyter"
  cargo install --locked --quiet evcxr_jupyter --root "$work/evcxr" --target-dir "$work/evcxr-target"
  rm -rf "$work/evcxr-target"
fi
venv=${RAXLA_JUPYTER:-$work/venv}
if [ ! -x "$venv/bin/jupyter" ]; then
  echo "== installing nbconvert"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet jupyter nbconvert
fi

# (the kernel is known to these runs alone)
export JUPYTER_PATH=$work/jupyter
"$evcxr" --install >/dev/null
# crates are built once, for all notebooks and all runs (not in this repository: Cargo would take the cells for a part of its workspace)
export EVCXR_TMPDIR=${EVCXR_TMPDIR:-${XDG_CACHE_HOME:-$HOME/.cache}/raxla-notebooks}
mkdir -p "$EVCXR_TMPDIR" "$work/out"

failed=0
begun=$SECONDS
for notebook in notebooks/*.ipynb; do
  name=$(basename "$notebook" .ipynb)
  chosen=1
  for prefix in ${wanted[@]+"${wanted[@]}"}; do
    chosen=
    [[ $name == "$prefix"* ]] && { chosen=1; break; }
  done
  [ -n "$chosen" ] || continue
  start=$SECONDS
  if ! "$venv/bin/jupyter" nbconvert --log-level ERROR --to notebook --execute --ExecutePreprocessor.timeout=1800 \
      --output-dir "$work/out" "$notebook"; then
    echo "$name: a cell failed"
    failed=1
    continue
  fi
  took=$((SECONDS - start))
  if [ -n "$update" ]; then
    python3 scripts/compare_notebooks.py --write "$work/out/$name.ipynb" "$notebook"
    echo "$name: $took s, written"
  elif python3 scripts/compare_notebooks.py "$work/out/$name.ipynb" "$notebook"; then
    echo "$name: $took s, as committed"
  else
    failed=1
  fi
done
echo "== $((SECONDS - begun)) s"
exit $failed
