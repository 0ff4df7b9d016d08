"""The cases of make_transform_fixtures.py."""
from .common import CASES
from . import values, indexing, convolution, kinks, derivatives, batching, loops, calls, random, training, axes, nested
