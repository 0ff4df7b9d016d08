"""The tables of docs/plan.md and docs/compatibility.md, by `raxla plan` with the real plugins for TPUs and CUDA.

    python scripts/plan_tables.py cases target/debug/raxla       # named models on named targets
    python scripts/plan_tables.py families target/debug/raxla    # every family: decode, prefill and a training step
    (behind either: names of models, or targets, if not all are wanted)

It needs no accelerator, some 1 GB of disk for the plugins (RAXLA_HOME), and an hour of two processors. Prints Markdown.
"""
import json
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
    ("decode", "--mesh data=4,model=2 --batch 8 --context 16"),
    ("prefill", "--mesh data=4,model=2 --batch 8 --context 16"),
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


def families(raxla, chosen):
    """A table for each target: the seconds that a plan took, or what was wrong."""
    for target in [target for target in TARGETS if not chosen or target in chosen]:
        print("| family | " + " | ".join(f"{program} on {target}" for program, _ in PROGRAMS) + " |")
        print("|---|" + "--:|" * len(PROGRAMS))
        for name in FAMILIES:
            config = FIXTURES / name / "config.json"
            row = []
            for program, options in PROGRAMS:
                out, seconds, _ = plan(raxla, str(config), target, f"--program {program} {options} --fast")
                row.append(f"error: {out['error']}" if "error" in out else f"fits, {seconds:.0f} s" if out["fits"] else "does not fit")
            family = json.loads(config.read_text())["model_type"]
            print(f"| {family} | " + " | ".join(row) + " |", flush=True)
        print()


if __name__ == "__main__":
    {"cases": cases, "families": families}[sys.argv[1]](sys.argv[2], sys.argv[3:])
