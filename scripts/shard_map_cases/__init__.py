"""The cases of make_shard_map_fixtures.py."""
from .common import CASES
from . import collectives, specs, transformed, programs
