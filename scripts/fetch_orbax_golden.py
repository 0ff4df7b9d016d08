"""Puts the checkpoints with which google/orbax tests its own compatibility into a folder, and reads them all.

    python scripts/fetch_orbax_golden.py FOLDER [--repository PATH_OR_URL]
    cargo run -p raxla-orbax --example read_checkpoints -- FOLDER

They come from the repository by a sparse checkout, or from a local clone of it. Some are damaged on purpose: those whose folder is
named `critical_...`, and `..._missing_metadata`. Each must be read or refused with its reason.
"""

import argparse
import pathlib
import shutil
import subprocess
import tempfile

INSIDE = "checkpoint/orbax/checkpoint/experimental/v1/_src/testing/compatibility/checkpoints"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--repository", default="https://github.com/google/orbax")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as clone:
        git = ["git", "-C", clone]
        source = ["git", "clone", "--quiet", "--depth=1", "--filter=blob:none", "--no-checkout"]
        subprocess.run([*source, args.repository, clone], check=True)
        subprocess.run([*git, "sparse-checkout", "set", INSIDE], check=True)
        subprocess.run([*git, "checkout", "--quiet"], check=True)
        shutil.copytree(pathlib.Path(clone) / INSIDE, args.folder, dirs_exist_ok=True)
        commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    files = sum(f.is_file() for f in args.folder.rglob("*"))
    print(f"{files} files of {commit} in {args.folder}")


main()
