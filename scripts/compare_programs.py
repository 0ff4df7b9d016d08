"""The programs of examples/programs beside programs of JAX that do the same: the time of whole processes, and lines of code.

usage: compare_programs.py JAX_DIR [--rounds 5] [--only NAME,NAME] [--python PATH] [--programs PATH]
JAX_DIR has JAX's programs by the names of COUNTERPARTS; one that is missing there is left out. Both sides run alternately, `--rounds` times, after
one round that is not counted and fills raxla's compilation cache; medians are compared. A time is that of a process from its start to its end, with
imports, tracing and compilation. Needs: cargo build --release --examples; pip install jax optax flax safetensors.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
COUNTERPARTS = {
    "linear_regression": ["a.py"],
    "moons": ["b.py"],
    "cnn": ["c.py"],
    "language_model": ["d.py"],
    "lorenz": ["e1.py"],
    "gaussian_process": ["e2.py"],
    "spectral_pde": ["e3.py"],
    "monte_carlo": ["f.py"],
    "mesh": ["h.py"],
}


def seconds(command, folder):
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{done.stderr[-1000:]}")
    return time.perf_counter() - start


def lines(path):
    """Lines with code: neither empty ones nor comments."""
    text = [line.strip() for line in path.read_text().splitlines()]
    return sum(bool(line) and not line.startswith(("//", "#")) for line in text)


def compare(name, jax, a):
    ours = [[a.programs, name]]
    theirs = [[a.python, jax / file] for file in COUNTERPARTS[name]]
    times = [[], []]
    for round in range(a.rounds + 1):
        for side, commands in enumerate([ours, theirs]):
            took = sum(seconds(command, folder) for command in commands for folder in [ROOT if side == 0 else jax.parent])
            if round:
                times[side].append(took)
    mine, jaxs = map(statistics.median, times)
    count = lines(ROOT / f"examples/programs/{name}.rs"), sum(lines(jax / file) for file in COUNTERPARTS[name])
    print(f"{name:20}{count[0]:7}{count[1]:7}{mine:10.2f}{jaxs:10.2f}{mine / jaxs:8.2f}", flush=True)
    return mine / jaxs


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("jax", type=lambda text: pathlib.Path(text).resolve())
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--only", default="")
    p.add_argument("--python", default=sys.executable)
    p.add_argument("--programs", default=ROOT / "target/release/examples/programs")
    a = p.parse_args()
    names = a.only.split(",") if a.only else list(COUNTERPARTS)
    print(f"{'':20}{'lines':>7}{'JAX':>7}{'seconds':>10}{'JAX':>10}{'ratio':>8}")
    ratios, failed = [], False
    for name in names:
        missing = [file for file in COUNTERPARTS[name] if not (a.jax / file).exists()]
        if missing:
            print(f"{name:20} {', '.join(missing)} is not there")
            continue
        try:
            ratios.append(compare(name, a.jax, a))
        except RuntimeError as e:
            failed = True
            print(f"{name:20} {e}")
    if ratios:
        print(f"median ratio {statistics.median(ratios):.2f}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
