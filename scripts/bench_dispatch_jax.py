"""Times calls of jitted functions by JAX, as benches/dispatch.rs times raxla's: 1 and 300 arguments, 1 and 8 virtual CPU devices.

    python3 -m venv /tmp/jax && /tmp/jax/bin/pip install jax
    /tmp/jax/bin/python scripts/bench_dispatch_jax.py

Per case it prints the least and the median time of a call over all repeats. A call is queued work, not waited for: results are
waited for at the end of each repeat, and once every 16 calls, as benches/dispatch.rs does.
"""

import statistics
import sys
import time

DEVICES = 8
REPEATS = 60


def seconds_per_call(call, calls):
    """The time of one call, as the mean over this many."""
    start = time.perf_counter()
    for i in range(calls):
        result = call()
        if i % 16 == 15:
            result.block_until_ready()
    result.block_until_ready()
    return (time.perf_counter() - start) / calls


def main():
    import jax
    import jax.numpy as jnp
    from jax.sharding import NamedSharding, PartitionSpec

    jax.config.update("jax_num_cpu_devices", DEVICES)
    jax.config.update("jax_platforms", "cpu")
    print(f"jax {jax.__version__}, Python {sys.version.split()[0]}")
    mesh = jax.make_mesh((DEVICES,), ("data",))
    # (without `keep_unused` JAX would not pass what the function does not read)
    ends = jax.jit(lambda xs: xs[0] + xs[-1], keep_unused=True)
    for devices in (1, DEVICES):
        where = jax.devices()[0] if devices == 1 else NamedSharding(mesh, PartitionSpec("data"))
        for leaves in (1, 300):
            xs = [jax.device_put(jnp.full((8,), i, jnp.float32), where) for i in range(leaves)]
            call = lambda: ends(xs)
            calls = max(16, int(0.02 / seconds_per_call(call, 16)))
            times = [seconds_per_call(call, calls) * 1e6 for _ in range(REPEATS)]
            least, median = min(times), statistics.median(times)
            print(f"{leaves} leaves, {devices} devices: least {least:.2f} us, median {median:.2f} us", flush=True)


if __name__ == "__main__":
    main()
