"""Runs raxla and its peers one after the other on this machine, round after round, and compares medians.

usage: compare_peers.py [--what decode,prefill,train] [--dtype f32] [--rounds 3] [--plot FILE.svg] [--only NAMES] ..

Two works:
* GPT-2 with random weights (`--size`): raxla, JAX (`--jax`, the Python that has jax, optax), PyTorch (`--torch`, the Python that
  has torch, transformers). scripts/peers/ has their programs.
* a GGUF file (`--gguf`; raxla's default model is one, below RAXLA_HOME/models): raxla, llama.cpp (`--llamacpp`, the folder with
  node_modules), mistral.rs (`--mistralrs`, its program), candle (`--candle`, its example `quantized` with the `--which` whose end-of-text token the tokenizer has, and `--tokenizer`).
A peer that is not there is left out, with a line that says how to get it. Needs: cargo build --release.

Every round runs every system once, so that what else the machine does falls on all of them. Each system's figure is the median
over the rounds; ratios say how many times as fast raxla is. `--json FILE` keeps all figures of all
rounds; `--plot` has raxla draw the medians (`raxla bench --from`).

`--publish` is what README.md shows: both works with all that is measured of them, of JAX the faster variant of each figure. It writes the medians to docs/speed.jsonl. docs/speed.svg and the
table of README.md are then made of that file by the test `speed::` of raxla-cli, which it runs with UPDATE_EXPECT=1.
"""
import argparse, glob, json, os, re, shlex, shutil, statistics, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PRESETS = {"124M": "gpt2", "355M": "gpt2-medium", "774M": "gpt2-large", "1.5B": "gpt2-xl"}
GET = {
    "jax": "python3 -m venv V && V/bin/pip install jax optax numpy, then --jax V/bin/python",
    "torch": "python3 -m venv V && V/bin/pip install torch transformers, then --torch V/bin/python",
    "llama.cpp": "npm i --ignore-scripts node-llama-cpp@3.22.1 in a folder, then --llamacpp FOLDER",
    "mistral.rs": "cargo install mistralrs-cli, then --mistralrs PATH",
    "candle": "cargo build --release --example quantized in candle's repository, then --candle target/release/examples/quantized "
    "--tokenizer tokenizer.json",
}


def of_lines(out):
    """Figures as JSON, a line each: of raxla and of scripts/peers."""
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


def of_patterns(system, patterns):
    """Figures found in a text."""
    def read(out):
        found = {metric: re.findall(pattern, out) for metric, pattern in patterns.items()}
        return [dict(system=system, metric=m, value=float(all[-1])) for m, all in found.items() if all]
    return read


def has(python, modules):
    code = "import importlib.util as u, sys; sys.exit(any(u.find_spec(m) is None for m in sys.argv[1:]))"
    try:
        return subprocess.run([python, "-c", code, *modules]).returncode == 0
    except OSError:
        return False


def systems_of_gpt2(a, what):
    """Name, command and reader of each system that runs GPT-2 with random weights."""
    sizes = ["--size", a.size, "--dtype", a.dtype, "--prompt", str(a.prompt), "--new", str(a.new), "--batch", str(a.batch)]
    common = ["--random-weights", "--model", PRESETS[a.size], "--dtype", a.dtype, "--repeat", "3", "--json"]
    ours = []
    for w in what:
        shape = ["--batch", "2", "--prompt", "256"] if w == "train" else ["--batch", str(a.batch), "--prompt", str(a.prompt)]
        ours.append([a.raxla, "bench", w, *common, *shape] + (["--new", str(a.new)] if w == "decode" else []))
    yield "raxla", ours, of_lines
    if has(a.jax, ["jax", "optax"]):
        for variant in a.jax_variants.split(","):
            program = os.path.join(HERE, "peers", "jax_gpt2.py")
            yield "jax-" + variant, [[a.jax, program, *sizes, "--variant", variant, "--what", ",".join(what)]], of_lines
    else:
        yield "jax", None, None
    if has(a.torch, ["torch", "transformers"]):
        train = ["--train"] if "train" in what else []
        yield "torch", [[a.torch, os.path.join(HERE, "peers", "torch_gpt2.py"), *sizes, *train]], of_lines
    else:
        yield "torch", None, None


def systems_of_gguf(a, what):
    """The same of a GGUF file."""
    sizes, tokens = ["--prompt", str(a.prompt), "--new", str(a.new)], [str(a.prompt), str(a.new)]
    ours = [[a.raxla, "bench", w, "--model", a.gguf, "--arithmetic", a.arithmetic, "--repeat", "3", "--json", *sizes] for w in what if w != "train"]
    yield "raxla", ours, of_lines
    threads = str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    node = a.llamacpp and shutil.which("node") and os.path.isdir(os.path.join(a.llamacpp, "node_modules"))
    command = ["node", os.path.join(HERE, "peers", "llamacpp.mjs"), a.gguf, *tokens, threads]
    yield ("llama.cpp", [command], of_lines) if node else ("llama.cpp", None, None)
    folder, file = os.path.split(a.gguf)
    if a.mistralrs:
        command = [a.mistralrs, "bench", "--cpu", "--format", "gguf", "-m", folder or ".", "-f", file, "--iterations", "1"]
        command += ["--prompt-len", tokens[0], "--gen-len", tokens[1]]
        patterns = dict(prefill_tok_s=r"Prefill \(\d+ tokens\)\D+([\d.]+)", decode_tok_s=r"Decode \(\d+ tokens[^)]*\)\D+([\d.]+)")
        yield "mistral.rs", [command], of_patterns("mistral.rs", patterns)
    else:
        yield "mistral.rs", None, None
    if a.candle and a.tokenizer:
        # (about as many tokens: candle takes text)
        command = [*shlex.split(a.candle), "--cpu", "--model", a.gguf, "--tokenizer", a.tokenizer, "--prompt", " the" * a.prompt, "-n", tokens[1]]
        command += ["--temperature", "0"]
        patterns = dict(prefill_tok_s=r"prompt tokens processed: ([\d.]+)", decode_tok_s=r"tokens generated: ([\d.]+)")
        yield "candle", [command], of_patterns("candle", patterns)
    else:
        yield "candle", None, None


def gguf_here():
    home = os.environ.get("RAXLA_HOME") or os.path.join(os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache"), "raxla")
    return next(iter(sorted(glob.glob(os.path.join(home, "models", "**", "*.gguf"), recursive=True))), None)


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", default="gpt2,gguf", help="gpt2, gguf or both")
    p.add_argument("--what", default="decode,prefill", help="of decode, prefill and train (GPT-2 only)")
    p.add_argument("--size", default="124M", choices=PRESETS)
    p.add_argument("--dtype", default="f32", choices=["f32", "bf16"], help="of GPT-2")
    p.add_argument("--batch", type=int, default=1)
    p.add_argument("--arithmetic", default="exact", help="of raxla's kernels with a GGUF file; llama.cpp's is that of int8")
    p.add_argument("--prompt", type=int, default=128)
    p.add_argument("--new", type=int, default=64)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--only", default="", help="of these systems only: raxla,torch,..")
    p.add_argument("--raxla", default="target/release/raxla")
    p.add_argument("--jax", default=sys.executable)
    p.add_argument("--jax-variants", default="tuned", help="of scan, unrolled and tuned")
    p.add_argument("--torch", default=sys.executable)
    p.add_argument("--gguf", default=gguf_here())
    p.add_argument("--llamacpp", default="")
    p.add_argument("--mistralrs", default=shutil.which("mistralrs"))
    p.add_argument("--candle", default="")
    p.add_argument("--tokenizer", default="")
    p.add_argument("--json", help="keep all figures here")
    p.add_argument("--medians", help="write the medians here, a figure a line, as `raxla bench --from` reads them")
    p.add_argument("--plot", help="draw the medians here")
    p.add_argument("--publish", action="store_true", help="both works, all that is measured of them, into docs and README.md")
    a = p.parse_args()
    if a.publish:
        a.jax_variants = "scan,tuned"
        a.work, a.what, a.medians = "gpt2,gguf", "decode,prefill,train", os.path.join(HERE, "..", "docs", "speed.jsonl")
    return a


def measure(a, work, what):
    """All figures of all rounds of one work."""
    systems = {"gpt2": systems_of_gpt2, "gguf": systems_of_gguf}[work](a, what)
    only, there = [s for s in a.only.split(",") if s], []
    for name, commands, read in systems:
        if only and not any(name.startswith(s) for s in only):
            continue
        if commands is None:
            print(f"{name} is left out: {GET[name]}", file=sys.stderr)
        elif commands:
            there.append((name, commands, read))
    env = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    if a.llamacpp:
        env["NODE_MODULES"] = os.path.abspath(a.llamacpp)
    all_figures = []
    for i in range(a.rounds):
        for name, commands, read in there:
            for command in commands:
                out = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                figures = read(out.stdout)
                if out.returncode != 0 or not figures:
                    print(f"{name} failed: {(out.stderr or out.stdout).strip()[-400:]}", file=sys.stderr)
                all_figures += [dict(f, system=name, work=work, round=i) for f in figures]
        print(f"{work}: round {i + 1} of {a.rounds} done", file=sys.stderr)
    return all_figures


def medians(figures, metrics, work):
    """One figure per system and metric, whose times are those of the rounds."""
    out = []
    for metric in metrics:
        for system in dict.fromkeys(f["system"] for f in figures):
            own = [f for f in figures if (f["system"], f["metric"]) == (system, metric)]
            values = sorted(f["value"] for f in own)
            if not values:
                continue
            rate = metric.endswith("tok_s")
            seconds = sorted(1 / v for v in values) if rate else values
            at = lambda share: seconds[min(int(len(seconds) * share), len(seconds) - 1)]
            spread = dict(min=seconds[0], median=at(0.5), p90=at(0.9), samples=len(seconds))
            value = 1 / spread["median"] if rate else spread["median"]
            # (raxla tells the machine and the plugin)
            about = {key: own[0][key] for key in ("machine", "plugin") if key in own[0]}
            out.append(dict(system=system, metric=metric, value=value, unit="tok/s" if rate else "s", seconds=spread, config=dict(work=work), **about))
    return out


def best_of_jax(shown):
    """Of JAX's variants, the fastest of each metric, by the names that the README has."""
    names, best = dict(raxla="raxla", torch="PyTorch"), []
    for f in shown:
        f = dict(f, system="JAX" if f["system"].startswith("jax") else names.get(f["system"], f["system"]))
        same = [g for g in best if (g["system"], g["metric"]) == (f["system"], f["metric"])]
        if not same:
            best.append(f)
        elif f["seconds"]["median"] < same[0]["seconds"]["median"]:
            best[best.index(same[0])] = f
    return best


def main():
    a = options()
    what, works = a.what.split(","), a.work.split(",")
    if "gguf" in works and not (a.gguf and os.path.isfile(a.gguf)):
        print("the GGUF file is left out: `raxla pull smollm2-135m-instruct` fetches one, or name one with --gguf", file=sys.stderr)
        works.remove("gguf")
    everything, all_shown = [], []
    for work in works:
        figures = measure(a, work, what)
        everything += figures
        name = f"GPT-2 {a.size}, {a.dtype}" if work == "gpt2" else os.path.basename(a.gguf).removesuffix(".gguf")
        shown = medians(figures, [dict(decode="decode_tok_s", prefill="prefill_tok_s", train="train_step_s")[w] for w in what], name)
        all_shown += best_of_jax(shown) if a.publish else shown
        ours = {f["metric"]: f["value"] for f in shown if f["system"] == "raxla"}
        print(f"\n{name}, prompt {a.prompt}, {a.new} new tokens, batch {a.batch if work == 'gpt2' else 1}; medians of {a.rounds} rounds")
        for f in shown:
            ratio = ours.get(f["metric"], float("nan")) / f["value"]
            ratio = ratio if f["unit"] == "tok/s" else 1 / ratio  # (of times, less is faster)
            compared = "" if f["system"] == "raxla" else f"  raxla is {ratio:.2f} times as fast"
            print(f"{f['metric']:16}{f['system']:14}{f['value']:12.2f} {f['unit']:6}{compared}")
    if a.json:
        write_lines(a.json, everything)
    if all_shown and (a.medians or a.plot):
        with tempfile.TemporaryDirectory() as folder:
            path = a.medians or os.path.join(folder, "medians.jsonl")
            write_lines(path, all_shown)
            if a.plot:
                subprocess.run([a.raxla, "bench", "--from", path, "--plot", a.plot], check=True, stdout=subprocess.DEVNULL)
    if a.publish and all_shown:
        test = ["cargo", "test", "-p", "raxla-cli", "--test", "cli", "speed::"]
        subprocess.run(test, check=True, cwd=os.path.join(HERE, ".."), env=dict(os.environ, UPDATE_EXPECT="1"))


def write_lines(path, figures):
    with open(path, "w") as file:
        file.write("".join(json.dumps(f) + "\n" for f in figures))


main()
