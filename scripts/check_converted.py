"""Loads a directory that `raxla convert` wrote in transformers, and compares it with raxla.

    pip install torch transformers safetensors
    pip install "transformers<5" "jax<0.5" flax    # for --format flax
    cargo build -p raxla-cli
    python scripts/check_converted.py SRC [--format F] [--dtype D] [--prompt TEXT] [--binary target/debug/raxla]

Converts SRC to a temporary directory, then compares the logits of both for the prompt (raxla's from SRC itself), and the
greedy continuations where the model has a tokenizer.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

import numpy as np
from safetensors.numpy import load_file
from transformers import AutoTokenizer


def torch_model(folder):
    """Functions of token ids: logits, and a greedy continuation."""
    import torch
    from transformers import AutoModelForCausalLM

    model, report = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    problems = {k: v for k, v in report.items() if v}
    print("transformers loaded", type(model).__name__, problems or "with nothing missing")
    model.eval()

    def logits(ids):
        with torch.no_grad():
            return model(torch.tensor([ids])).logits.float().numpy()

    return logits, lambda ids, n: model.generate(torch.tensor([ids]), max_new_tokens=n, do_sample=False)[0].tolist()


def flax_model(folder):
    """The same; transformers warns on stderr of what is missing."""
    from transformers import FlaxAutoModelForCausalLM

    model = FlaxAutoModelForCausalLM.from_pretrained(folder)
    print("transformers loaded", type(model).__name__)

    def greedy(ids, n):
        for _ in range(n):
            ids = [*ids, int(model(np.array([ids])).logits[0, -1].argmax())]
        return ids

    return lambda ids: np.asarray(model(np.array([ids])).logits), greedy


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("src")
    parser.add_argument("--format", default="safetensors")
    parser.add_argument("--dtype")
    parser.add_argument("--prompt", default="The capital of France is")
    parser.add_argument("--binary", default="target/debug/raxla")
    parser.add_argument("-n", type=int, default=24)
    a = parser.parse_args()

    def raxla(*arguments):
        return subprocess.run([a.binary, *arguments], check=True, capture_output=True, text=True).stdout

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        converted = folder / "converted"
        raxla("convert", a.src, str(converted), "--format", a.format, *(["--dtype", a.dtype] if a.dtype else []))
        print("files:", ", ".join(sorted(p.name for p in converted.iterdir())))
        logits, greedy = (flax_model if a.format == "flax" else torch_model)(converted)
        ids, tokenizer = [3, 5, 7, 11], None
        if (converted / "tokenizer.json").exists():
            tokenizer = AutoTokenizer.from_pretrained(converted)
            ids = tokenizer(a.prompt)["input_ids"]
        out = folder / "logits.safetensors"
        raxla("logits", "--model", a.src, "--tokens", ",".join(map(str, ids)), "--out", str(out))
        want = load_file(out)["logits"]
        have = logits(ids)
        deviation = float(abs(have - want).max() / want.std())
        print(f"logits {tuple(have.shape)}: largest difference {deviation:.1e} of their standard deviation")
        same = deviation < 1e-3
        if tokenizer:
            theirs = tokenizer.decode(greedy(ids, a.n)[len(ids) :], skip_special_tokens=True)
            ours = json.loads(raxla("generate", "--model", a.src, "-n", str(a.n), "--json", a.prompt))["text"]
            print(f"transformers: {theirs!r}\nraxla:        {ours!r}")
            same &= ours in (theirs, a.prompt + theirs)
        print("equal" if same else "DIFFERENT")
        raise SystemExit(not same)


main()
