"""Compares docs/jax_names.tsv with the public names of the installed JAX and optax: names that the table lacks, and names that are no more.

    python scripts/check_coverage.py        (needs: pip install jax optax)

A row is a module, a name, and what it is here:
    numpy::pad              a path within raxla (a function, a type, a variant)
    x.sum(..)               an expression over x, y: Tensor of floats, i: of integers, b: of bools, key: Key
    absent: why             there is none
    pending: special::erfc  it is being made
tests/jax_names compiles all paths and expressions. Names that end in `_p` are primitives, internal to JAX, and in no row.
"""

import collections
import importlib
import pathlib
import sys

MODULES = ["jax.lax", "jax.numpy", "jax.numpy.linalg", "jax.numpy.fft", "jax.nn", "jax.nn.initializers", "jax.random", "jax.scipy.special", "optax.losses"]
TABLE = pathlib.Path(__file__).parent.parent / "docs/jax_names.tsv"


def public(module):
    return {name for name in dir(importlib.import_module(module)) if not name.startswith("_") and not name.endswith("_p")}


def kind(what):
    return what.split(":")[0] if what.startswith(("absent: ", "pending: ")) else "there"


rows = [line.split("\t") for line in TABLE.read_text().splitlines()]
broken = [row for row in rows if len(row) != 3 or not all(row)]
assert not broken, f"rows that are not three columns: {broken}"
table = {(module, name): what for module, name, what in rows}
assert len(table) == len(rows), "a name has two rows"
wrong = 0
print(f"{'':22}{'names':>6}{'there':>7}{'absent':>8}{'pending':>9}")
for module in MODULES:
    mine = {name for of, name in table if of == module}
    theirs = public(module)
    count = collections.Counter(kind(table[module, name]) for name in mine)
    print(f"{module:22}{len(mine):6}{count['there']:7}{count['absent']:8}{count['pending']:9}")
    for what, some in [("has no row", theirs - mine), ("is no more", mine - theirs)]:
        for name in sorted(some):
            print(f"  {module}.{name} {what}")
            wrong += 1
others = {module for module, _ in table} - set(MODULES)
assert not others, f"modules that are not looked at: {others}"
sys.exit(wrong > 0)
