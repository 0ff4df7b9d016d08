"""The tables of docs/plan.md and docs/compatibility.md, by `raxla plan` with the real plugins for TPUs and CUDA.

    python scripts/plan_tables.py cases target/debug/raxla       # named models on named targets: printed, for docs/plan.md
    python scripts/plan_tables.py families target/debug/raxla    # every family: forward, decode, a training step, into docs/compatibility.md
    python scripts/plan_tables.py dtypes                         # which operations of a dtype compile: printed, for docs/compatibility.md
    (behind the first two: names of models; or of families, programs and targets, as `gemma2 train h100x8`, if not all are wanted)

It needs no accelerator, some 1 GB of disk for the plugins (RAXLA_HOME), and two hours of two processors, most of it in ptxas. Families
are written into the page as they are done, so that a run can be cut off; the exit code is 1 if one of them does not compile.
"""
import json
import os
import pathlib
import resource
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "graphs/tests/fixtures"

# model, target, other options
CASES = [
    ("gemma-7b", "v5e:2x4", "--program decode --batch 8 --context 4096"),
    ("gemma-7b", "v5e:2x4", "--program prefill --batch 1 --context 2048"),
    ("gemma-7b", "v5e:2x4", "--program decode --batch 64 --context 8192"),
    ("llama-3-8b", "a100-40gbx1", "--program train --batch 1 --context 2048 --remat full --fast"),
    ("llama-3-70b", "v5p:2x2x4", "--program decode --mesh data=2,model=8 --batch 16 --context 8192"),
    ("llama-3-70b", "v5e:4x4", "--program decode --mesh data=2,model=8 --batch 16 --context 4096 --quantize int8"),
    ("gpt2-xl", "h100x8", "--program train --mesh fsdp=8 --batch 64 --context 1024 --remat full --fast"),
    ("mixtral-8x7b", "v5p:4x4x4", "--program train --mesh fsdp=8,expert=8 --batch 64 --context 4096 --remat full --fast"),
    ("gemma-2-9b", "v6e:2x4", "--program decode --batch 8 --context 4096"),
    ("llama-3-8b", "h200x8", "--program decode --batch 16 --context 8192 --fast"),
    ("qwen3-30b-a3b", "b200x8", "--program decode --mesh data=2,model=4 --batch 16 --context 4096 --fast"),
]

# a configuration of each family, from the fixtures; axes that divide its sizes
FAMILIES = [
    "llama_bf16", "mistral_window", "qwen2_tied", "qwen3_head_dim", "mixtral_top2", "qwen3moe_top3", "gemma_v4", "gemma2_windows",
    "gemma3_pattern", "phi3_gqa_untied", "olmo2_gqa_untied", "smollm3_interval_tied", "gptoss_hub", "deepseek2_hub", "deepseek3_hub",
    "gpt2_hub",
]
PROGRAMS = [
    ("forward", "--mesh data=4,model=2 --batch 8 --context 16"),
    ("decode", "--mesh data=4,model=2 --batch 8 --context 16"),
    ("train", "--mesh fsdp=4,model=2 --batch 8 --context 16 --remat full"),
]
TARGETS = ["v5e:2x4", "h100x8"]


def plan(raxla, model, target, options):
    """The outcome as JSON, the seconds that it took, and the most memory of a process so far in bytes."""
    command = [raxla, "plan", "--model", model, "--target", target, "--json", "--no-remedies", *options.split()]
    start = time.time()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.time() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    if done.returncode != 0:
        return {"error": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else str(done.returncode)}, seconds, peak
    return json.loads(done.stdout), seconds, peak


def gb(n):
    return f"{n / 1e9:.2f}"


def cases(raxla, chosen):
    print("| model | target | program | arguments | intermediate | peak / limit (GB) | fits | estimate | planned in | host memory |")
    print("|---|---|---|--:|--:|--:|---|--:|--:|--:|")
    for model, target, options in [case for case in CASES if not chosen or case[0] in chosen]:
        out, seconds, peak = plan(raxla, model, target, options)
        if "error" in out:
            print(f"| {model} | {target} | {options} | | | | error: {out['error']} | | {seconds:.0f} s | |", flush=True)
            continue
        m, e = out["plan"]["per_device"], out["plan"]["estimate"]
        estimate = f"{1e3 * (max(e['compute'], e['memory']) + e['communication']):.1f} ms" if e else ""
        print(
            f"| {model} | {target} | `{options.removeprefix('--program ')}` | {gb(m['arguments'])} | {gb(m['temporaries'])} "
            f"| {gb(m['peak'])} / {gb(m['limit'])} | {'yes' if out['fits'] else 'no'} | {estimate} | {seconds:.0f} s | {gb(peak)} GB |",
            flush=True,
        )


PAGE = ROOT / "docs/compatibility.md"
BEGIN, END = "<!-- families: scripts/plan_tables.py -->\n", "<!-- end of families -->\n"


def families(raxla, chosen):
    """Compiles each family's programs, and writes what became of each into the page's table."""
    columns = [f"{program}, {target}" for target in TARGETS for program, _ in PROGRAMS]

    def write(family, column, cell):
        before, rest = PAGE.read_text().split(BEGIN)
        table, after = rest.split(END)
        rows = {}
        for line in table.splitlines()[2:]:
            known, *cells = [cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")]
            rows[known] = dict(zip(columns, cells))
        rows.setdefault(family, {})[column] = cell
        lines = ["| family | " + " | ".join(columns) + " |", "|---|" + "--:|" * len(columns)]
        for name in FAMILIES:
            cells = rows.get(model_type(name), {})
            lines.append("| " + " | ".join([model_type(name)] + [cells.get(column, "") for column in columns]) + " |")
        PAGE.write_text(before + BEGIN + "\n".join(lines) + "\n" + END + after)

    def wanted(*words):
        kinds = [[model_type(name) for name in FAMILIES], [program for program, _ in PROGRAMS], TARGETS]
        return all(word in chosen or not any(other in chosen for other in kind) for word, kind in zip(words, kinds))

    failed = 0
    for target in TARGETS:
        for name in FAMILIES:
            for program, options in PROGRAMS:
                family = model_type(name)
                if not wanted(family, program, target):
                    continue
                out, seconds, _ = plan(raxla, str(FIXTURES / name / "config.json"), target, f"--program {program} {options} --fast")
                good = "error" not in out and out["fits"]
                failed += not good
                print(f"{family} {program} {target}: {seconds:.0f} s {out.get('error', '')}", flush=True)
                write(family, f"{program}, {target}", f"{max(seconds, 1):.0f} s" if good else "no")
    return failed


DTYPES = ["f64", "c64", "c128", "f8e4m3fn", "f8e5m2", "i64", "u64", "i4", "u4", "i8", "f16"]


def dtypes(*_):
    """Runs the test that compiles operations of a dtype; a compiler may end its process over one."""
    for target in ["v5e:1x1", "v6e:1x1", "h100x1"]:
        for dtype in DTYPES:
            command = "cargo test -p raxla-graphs --test all planning::operations_of_a_dtype -- --nocapture".split()
            env = {**os.environ, "RAXLA_TARGET": target, "RAXLA_DTYPE": dtype}
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, cwd=ROOT)
            lines = [line for line in done.stdout.splitlines() if ": " in line and not line.startswith(("test ", "error"))]
            ended = "" if done.returncode == 0 else " .. and then the process ended"
            print(f"{target} {dtype}: " + "; ".join(lines) + ended, flush=True)


def model_type(name):
    return json.loads((FIXTURES / name / "config.json").read_text())["model_type"]


if __name__ == "__main__":
    if {"cases": cases, "families": families, "dtypes": dtypes}[sys.argv[1]](*sys.argv[2:3], sys.argv[3:]):
        sys.exit(1)
