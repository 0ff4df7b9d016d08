"""The cases of make_shard_map_fixtures.py."""
from .common import CASES
from . import collectives, several_axes, specs, transformed, programs
