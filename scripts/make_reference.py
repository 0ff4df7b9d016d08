#!/usr/bin/env python3
"""Writes what transformers computes with a checkpoint, for `raxla verify`.

usage: make_reference.py MODEL (--text TEXT | --tokens 1,2,3) [--dtype float32] --out F.safetensors
needs: pip install torch transformers safetensors

MODEL is a directory or a name on the hub. The file holds `tokens` i32 [1, T], `logits` f32 [1, T, V] and `hidden_states.N` f32 [1, T, D]
(0: the embeddings; the last one: after the final norm).
"""
import argparse

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
args.add_argument("model")
args.add_argument("--text")
args.add_argument("--tokens")
args.add_argument("--dtype", default="float32")
args.add_argument("--out", required=True)
args = args.parse_args()
if (args.text is None) == (args.tokens is None):
    raise SystemExit("give --text or --tokens")
if args.text is not None:
    tokens = AutoTokenizer.from_pretrained(args.model)(args.text, return_tensors="pt").input_ids
else:
    tokens = torch.tensor([[int(t) for t in args.tokens.split(",")]])
model = AutoModelForCausalLM.from_pretrained(args.model, dtype=getattr(torch, args.dtype), attn_implementation="eager").eval()
with torch.no_grad():
    out = model(tokens, output_hidden_states=True, use_cache=False)
reference = {"tokens": tokens.to(torch.int32), "logits": out.logits.float()}
reference |= {f"hidden_states.{i}": h.float() for i, h in enumerate(out.hidden_states)}
save_file({k: v.contiguous() for k, v in reference.items()}, args.out)
print(f"{args.out}: {tokens.shape[1]} tokens, {len(out.hidden_states)} hidden states")
