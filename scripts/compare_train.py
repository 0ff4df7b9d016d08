"""A training step of GPT-2, in JAX and in raxla, side by side: tracing and lowering, size of the program, compiling,
time per step, planned memory. Prints every figure of both and their ratio.

usage: compare_train.py [--size 124M] [--batch 2] [--seq 256] [--steps 3] [--rounds 3] [--raxla PATH] [--mesh AXES]
Both programs are the idiomatic one: value_and_grad, layers scanned and rematerialized, AdamW, parameters and state donated.
They start from the same weights and tokens, so that the losses after the last step agree.
With `--mesh data=2,fsdp=2,model=2` over so many virtual devices: in JAX by annotation (parameters, tokens and the stream between
layers), in raxla by hand (`shard_map`) and by annotation.
They run alternately, `--rounds` times; medians are compared. raxla's side is `raxla bench train`; `--raxla` is the built program, by
default target/release/raxla. Needs: cargo build --release; pip install jax optax numpy.
"""
import argparse, functools, json, os, statistics, subprocess, sys, time

SIZES = {"124M": (12, 12, 768, 50257), "355M": (24, 16, 1024, 50257), "774M": (36, 20, 1280, 50257)}


def numbers(n, state=0x9E3779B97F4A7C15):
    """What `raxla::prim::sample_in(F32, [n], 1, -0.03, 0.03)` returns."""
    out = []
    for _ in range(n):
        state ^= (state << 13) & (2**64 - 1)
        state ^= state >> 7
        state ^= (state << 17) & (2**64 - 1)
        out.append(-0.03 + 0.06 * ((state >> 11) / 2**53))
    return out


def product(sizes):
    return functools.reduce(lambda x, y: x * y, sizes, 1)


def axes_of(text):
    return [(name, int(size)) for name, size in (part.split("=") for part in text.split(","))] if text else []


def jax_side(a):
    devices = int(product(size for _, size in axes_of(a.mesh)))
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    import jax, jax.numpy as jnp, numpy as np, optax
    from jax import lax
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    layers, heads, d, vocab = SIZES[a.size]
    some, n = np.array(numbers(4093), np.float32), layers
    draw = lambda *s: jnp.asarray(np.resize(some[: int(np.prod(s))], s))
    block = dict(
        ln1=(draw(n, d), draw(n, d)), qkv=(draw(n, d, 3 * d), draw(n, 3 * d)), proj=(draw(n, d, d), draw(n, d)),
        ln2=(draw(n, d), draw(n, d)), fc=(draw(n, d, 4 * d), draw(n, 4 * d)), out=(draw(n, 4 * d, d), draw(n, d)))
    params = dict(wte=draw(vocab, d), wpe=draw(1024, d), blk=block, lnf=(draw(d), draw(d)))
    stream = lambda x: x
    if a.mesh:
        # heads have an axis of their own, to be divided
        b, k = block, d // heads
        b["qkv"] = b["qkv"][0].reshape(n, d, 3, heads, k), b["qkv"][1].reshape(n, 3, heads, k)
        b["proj"] = b["proj"][0].reshape(n, heads, k, d), b["proj"][1]
        names, sizes = zip(*axes_of(a.mesh))
        mesh = Mesh(np.array(jax.devices()).reshape(sizes), names)
        batch = tuple(x for x in names if x in ("data", "fsdp"))

        def at(*roles):
            axis = {"embed": "fsdp", "heads": "model"}
            return NamedSharding(mesh, PartitionSpec(*(axis.get(r) if axis.get(r) in names else None for r in roles)))

        norms = (at("", "embed"),) * 2
        whole_vocab = "model" in names and vocab % dict(zip(names, sizes))["model"]
        where = dict(
            wte=at("" if whole_vocab else "heads", "embed"), wpe=at("", "embed"), lnf=(at("embed"),) * 2,
            blk=dict(ln1=norms, ln2=norms, qkv=(at("", "embed", "", "heads", ""), at("", "", "heads", "")),
                     proj=(at("", "heads", "", "embed"), at("", "embed")), fc=(at("", "embed", "heads"), at("", "heads")),
                     out=(at("", "heads", "embed"), at("", "embed"))))
        params = jax.device_put(params, where)
        divided = NamedSharding(mesh, PartitionSpec(batch))
        stream = lambda x: lax.with_sharding_constraint(x, divided)

    def norm(x, p):
        mean = x.mean(-1, keepdims=True)
        var = ((x - mean) ** 2).mean(-1, keepdims=True)
        return (x - mean) * lax.rsqrt(var + 1e-5) * p[0] + p[1]

    def layer(x, p):
        b, t, _ = x.shape
        w, bias = p["qkv"]
        if w.ndim == 2:
            q, k, v = (y.reshape(b, t, heads, -1) for y in jnp.split(norm(x, p["ln1"]) @ w + bias, 3, -1))
        else:
            q, k, v = jnp.einsum("btd,dchk->cbthk", norm(x, p["ln1"]), w) + bias[:, None, None]
        scores = jnp.einsum("bthd,bshd->bhts", q, k) / np.sqrt(d // heads)
        scores = jnp.where(jnp.arange(t)[None, :] <= jnp.arange(t)[:, None], scores, -1e30)
        y = jnp.einsum("bhts,bshd->bthd", jax.nn.softmax(scores, -1), v)
        w, bias = p["proj"]
        x = stream(x + (y.reshape(b, t, d) @ w if w.ndim == 2 else jnp.einsum("bthk,hkd->btd", y, w)) + bias)
        h = jax.nn.gelu(norm(x, p["ln2"]) @ p["fc"][0] + p["fc"][1], approximate=True)
        return stream(x + h @ p["out"][0] + p["out"][1]), None

    def loss(p, tokens):
        inputs, targets = tokens[:, :-1], tokens[:, 1:]
        x = stream(p["wte"][inputs] + p["wpe"][: inputs.shape[1]])
        x, _ = lax.scan(jax.checkpoint(layer), x, p["blk"])
        logits = norm(x, p["lnf"]) @ p["wte"].T
        return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()

    opt = optax.adamw(1e-4)
    state = opt.init(params)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(p, state, tokens):
        value, g = jax.value_and_grad(loss)(p, tokens)
        u, state = opt.update(g, state, p)
        return optax.apply_updates(p, u), state, value

    tokens = (jnp.arange(a.batch * (a.seq + 1), dtype=jnp.int32) * 7919 % vocab).reshape(a.batch, a.seq + 1)
    if a.mesh:
        tokens = jax.device_put(tokens, divided)
    r = {}
    lowered = step.lower(params, state, tokens)
    text = lowered.as_text()
    r["train_stablehlo_bytes"], r["train_stablehlo_ops"] = len(text), text.count("stablehlo.") + text.count(" call @")
    times = []
    for _ in range(3):  # without the caches of earlier traces
        jax.clear_caches()
        t0 = time.perf_counter()
        lowered = step.lower(params, state, tokens)
        times.append(time.perf_counter() - t0)
    r["train_trace_lower_s"] = statistics.median(times)
    t0 = time.perf_counter()
    program = lowered.compile()
    r["train_compile_s"] = time.perf_counter() - t0
    r["train_temp_bytes"] = program.memory_analysis().temp_size_in_bytes
    times = []
    for _ in range(a.steps + 1):
        t0 = time.perf_counter()
        params, state, value = program(params, state, tokens)
        r["train_loss"] = float(value)
        times.append(time.perf_counter() - t0)
    r["train_step_s"] = statistics.median(times[1:])
    print(json.dumps(r))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--size", default="124M", choices=SIZES)
    p.add_argument("--batch", type=int, default=2)
    p.add_argument("--seq", type=int, default=256)
    p.add_argument("--steps", type=int, default=3)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--mesh", default="")
    p.add_argument("--raxla", default="target/release/raxla")
    p.add_argument("--jax-only", action="store_true", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.jax_only:
        return jax_side(a)
    shape = ["--size", a.size, "--batch", str(a.batch), "--seq", str(a.seq), "--steps", str(a.steps)]
    shape += ["--mesh", a.mesh] if a.mesh else []
    model = {"124M": "gpt2", "355M": "gpt2-medium", "774M": "gpt2-large"}[a.size]
    ours = [a.raxla, "bench", "train", "--json", "--scan", "--random-weights", "--model", model]
    ours += ["--batch", str(a.batch), "--prompt", str(a.seq), "--repeat", str(a.steps)] + (["--mesh", a.mesh] if a.mesh else [])
    systems = {"JAX": [sys.executable, __file__, "--jax-only", *shape], "raxla": ours}
    if a.mesh:
        systems["annotated"] = [*ours, "--variants", "annotated"]
    env = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    env["RAXLA_COMPILE_CACHE"] = "0"
    figures = {name: [] for name in systems}
    for i in range(a.rounds):
        for name, command in systems.items():
            out = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True)
            lines = [json.loads(l) for l in out.stdout.splitlines() if l.startswith("{")]
            figures[name].append(lines[-1] if name == "JAX" else {l["metric"]: l["value"] for l in lines})
        print(f"round {i + 1} of {a.rounds} done", file=sys.stderr)
    median = lambda name, metric: statistics.median(f[metric] for f in figures[name])
    others = [name for name in systems if name != "JAX"]
    print(f"{'':28}{'JAX':>14}" + "".join(f"{name:>14}{name + ' / JAX':>18}" for name in others))
    for metric in figures["JAX"][0]:
        j = median("JAX", metric)
        cells = [f"{median(name, metric):14.6g}{median(name, metric) / j:18.3f}" for name in others if metric in figures[name][0]]
        print(f"{metric:28}{j:14.6g}" + "".join(cells))


main()
