#!/usr/bin/env python3
"""Writes graphs/tests/fixtures/beams.json: what transformers' beam search finds with the tiny checkpoints beside it.

usage: make_beam_fixtures.py [--out FILE]     needs: pip install torch transformers

A list of cases: `model` (a directory of the fixtures), `prompt` (ids), `eos` (ids), `max_new_tokens`, `num_beams`, `length_penalty`,
`early_stopping` (true, false or "never"), `num_return_sequences`, `repetition_penalty`; and what came out: `sequences` (the new
tokens, with the end token if there is one) and `scores`. A case is kept only if f32 and f64 find the same sequences, the best of which
lead by 1e-4 or more, so that no order depends on rounding. Per model the two end tokens are among those that it likes.
"""
import argparse
import json
import pathlib

import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "graphs/tests/fixtures"
MODELS = ["llama_gqa_untied", "gpt2_plain", "mistral_window"]
LEAD = 1e-4


def search(model, prompt, eos, case):
    with torch.no_grad():
        out = model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), do_sample=False,
                             eos_token_id=eos, pad_token_id=0, return_dict_in_generate=True, output_scores=True, **case)
    sequences = []
    for row in out.sequences[:, len(prompt):].tolist():
        end = next((i + 1 for i, t in enumerate(row) if t in eos), len(row))
        sequences.append(row[:end])
    return sequences, out.sequences_scores.tolist()


def likely(model, prompt):
    """Tokens that appear in the continuation, in the order of how often they do among the five most likely."""
    ids, counts = list(prompt), {}
    with torch.no_grad():
        for _ in range(12):
            top = model(torch.tensor([ids])).logits[0, -1].topk(5).indices.tolist()
            for t in top:
                counts[t] = counts.get(t, 0) + 1
            ids.append(top[0])
    greedy = set(ids[len(prompt):])
    return [t for t in sorted(counts, key=lambda t: -counts[t]) if t not in greedy] or sorted(counts, key=lambda t: -counts[t])


def cases():
    for num_beams, length_penalty, early_stopping in [
            (2, 1.0, False), (3, 1.0, True), (4, 1.0, "never"), (4, 0.0, False), (3, 2.0, "never"), (5, 0.6, True), (4, -0.5, False), (2, 3.0, False)]:
        for count, length in [(1, 12), (num_beams, 7)]:
            yield dict(num_beams=num_beams, length_penalty=length_penalty, early_stopping=early_stopping, num_return_sequences=count,
                       max_new_tokens=length, repetition_penalty=1.0)
    yield dict(num_beams=4, length_penalty=1.0, early_stopping=False, num_return_sequences=2, max_new_tokens=10, repetition_penalty=1.4)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=FIXTURES / "beams.json")
    out = parser.parse_args().out
    logging.set_verbosity_error()
    found, dropped = [], 0
    for name in MODELS:
        load = lambda dtype: AutoModelForCausalLM.from_pretrained(FIXTURES / name, dtype=dtype, attn_implementation="eager").eval()
        single, double = load(torch.float32), load(torch.float64)
        size = single.config.vocab_size
        for i, prompt in enumerate([[5], [3, 1, 4, 1, 5, 9, 2, 6]]):
            eos = likely(double, prompt)[:1 + i]
            for case in cases():
                (a, scores), (b, exact) = search(single, prompt, eos, case), search(double, prompt, eos, case)
                close = any(x - y < LEAD for x, y in zip(exact, exact[1:]))
                if a != b or close or min(exact) < -1e8:
                    dropped += 1
                    continue
                found.append(dict(model=name, prompt=prompt, eos=eos, **case, sequences=a, scores=scores))
        assert all(t < size for case in found if case["model"] == name for t in case["prompt"])
    ended = sum(s[-1] in case["eos"] for case in found for s in case["sequences"])
    total = sum(len(case["sequences"]) for case in found)
    print(f"{len(found)} cases, {dropped} dropped; {ended} of {total} sequences ended by themselves")
    out.write_text("[\n" + ",\n".join(json.dumps(case) for case in found) + "\n]\n")


if __name__ == "__main__":
    main()
