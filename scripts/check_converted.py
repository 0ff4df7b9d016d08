"""Loads a directory that `raxla convert` wrote in transformers, and compares it with raxla.

    pip install torch transformers safetensors
    cargo build -p raxla-cli
    python scripts/check_converted.py SRC [--dtype D] [--prompt TEXT] [--binary target/debug/raxla]

Converts SRC to a temporary directory, then compares the logits of both for the prompt (raxla's from SRC itself), and the
greedy continuations where the model has a tokenizer.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("src")
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
        raxla("convert", a.src, str(converted), *(["--dtype", a.dtype] if a.dtype else []))
        print("files:", ", ".join(sorted(p.name for p in converted.iterdir())))
        model, report = AutoModelForCausalLM.from_pretrained(
            converted, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
        )
        model.eval()
        problems = {k: v for k, v in report.items() if v}
        print("transformers loaded", type(model).__name__, "with nothing missing" if not problems else problems)
        ids, tokenizer = [3, 5, 7, 11], None
        if (converted / "tokenizer.json").exists():
            tokenizer = AutoTokenizer.from_pretrained(converted)
            ids = tokenizer(a.prompt)["input_ids"]
        out = folder / "logits.safetensors"
        raxla("logits", "--model", a.src, "--tokens", ",".join(map(str, ids)), "--out", str(out))
        want = load_file(out)["logits"]
        with torch.no_grad():
            have = model(torch.tensor([ids])).logits.float()
        deviation = ((have - want).abs().max() / want.std()).item()
        print(f"logits {tuple(have.shape)}: largest difference {deviation:.1e} of their standard deviation")
        same = deviation < 1e-3
        if tokenizer:
            made = model.generate(torch.tensor([ids]), max_new_tokens=a.n, do_sample=False)[0][len(ids) :]
            theirs = tokenizer.decode(made, skip_special_tokens=True)
            ours = json.loads(raxla("generate", "--model", a.src, "-n", str(a.n), "--json", a.prompt))["text"]
            print(f"transformers: {theirs!r}\nraxla:        {ours!r}")
            same &= ours in (theirs, a.prompt + theirs)
        print("equal" if same else "DIFFERENT")
        raise SystemExit(not same)


main()
