#!/usr/bin/env python3
"""Writes graphs/tests/fixtures/<name>/gradients.safetensors: PyTorch's gradient of the loss for every parameter; and for some
checkpoints training.safetensors: ten steps of AdamW, by PyTorch.

usage: make_gradient_fixtures.py [NAME ...]     needs: pip install torch transformers safetensors

The loss is the mean cross entropy of each token of reference.safetensors' `tokens`, given those before it, in f32 with eager
attention. `loss` holds it; under a parameter's name in the checkpoint stand at most 128 entries of its gradient, `step` apart
in the order of its elements (the smallest step that gives so few), and behind them its norm. With experts, `router_logits` are those of all layers with experts [layers * T, experts], and `aux_loss` is the
load-balancing loss.

Each of the ten steps takes two times two sequences of 17 tokens (token t of sequence s of step i is 1 + (7 t t + 31 s + 57 i + s t) mod
(the vocabulary - 1): never 0, from whose embedding PyTorch keeps gradients where it is the padding), the mean of whose gradients is clipped to a norm of 1: AdamW (0.9, 0.95, 1e-6, decay 0.1 of all parameters) at 1e-3, to
which two steps of warm-up lead, then a cosine to zero at step 10. `losses` holds the loss of each step before it is taken, and under a
parameter's name stand entries of its last value, as above.
"""
import math
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "graphs/tests/fixtures"
NAMES = ["gpt2_plain", "llama_head_dim_biases", "mistral_window", "mixtral_window_one_head", "qwen2_window", "qwen3_bias_one_head",
         "qwen3moe_mixed", "gemma_untied_gelu", "gemma2_windows", "gemma3_pattern"]
KEPT = 128


TRAINED = ["gpt2_plain", "gemma_tied", "qwen3_head_dim", "mixtral_top2"]
STEPS = 10


def stored(model, of):
    """Name in the checkpoint and gradient (or what else `of` gives) of each parameter. transformers holds the experts of a layer in two tensors."""
    mixtral = model.config.model_type == "mixtral"
    for name, p in model.named_parameters():
        if name.endswith("experts.gate_up_proj"):
            base = name.removesuffix("gate_up_proj").replace(".mlp.", ".block_sparse_moe." if mixtral else ".mlp.")
            for e, (gate, up) in enumerate(g.chunk(2) for g in of(p)):
                yield f"{base}{e}.{'w1' if mixtral else 'gate_proj'}.weight", gate
                yield f"{base}{e}.{'w3' if mixtral else 'up_proj'}.weight", up
        elif name.endswith("experts.down_proj"):
            base = name.removesuffix("down_proj").replace(".mlp.", ".block_sparse_moe." if mixtral else ".mlp.")
            for e, down in enumerate(of(p)):
                yield f"{base}{e}.{'w2' if mixtral else 'down_proj'}.weight", down
        else:
            yield name.replace(".mlp.gate.", ".block_sparse_moe.gate.") if mixtral else name, of(p)


def entries(x):
    """At most KEPT of them, and their norm."""
    return torch.cat([x.flatten()[:: -(-x.numel() // KEPT)], x.norm().reshape(1)])


def load(path):
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager").eval()


def train(path):
    model = load(path)
    vocabulary = model.config.vocab_size
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), eps=1e-6, weight_decay=0.1)
    rate = lambda i: i / 2 if i < 2 else 0.5 * (1 + math.cos(math.pi * (i - 2) / (STEPS - 2)))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    losses = []
    for i in range(STEPS):
        tokens = torch.tensor([[1 + (7 * t * t + 31 * s + 57 * i + s * t) % (vocabulary - 1) for t in range(17)] for s in range(4)])
        optimizer.zero_grad()
        total = 0.0
        for part in tokens.chunk(2):
            logits = model(part[:, :-1], use_cache=False).logits
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), part[:, 1:].flatten()) / 2
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(total)
    out = {"losses": torch.tensor(losses, dtype=torch.float32)}
    out |= {name: entries(p) for name, p in stored(model, lambda p: p.detach())}
    save_file(out, path / "training.safetensors")
    print(f"{path.name}: losses {losses[0]:.4f} to {losses[-1]:.4f}, {(path / 'training.safetensors').stat().st_size} bytes")


def make(path):
    model = load(path)
    tokens = load_file(path / "reference.safetensors")["tokens"].long()
    logits = model(tokens, use_cache=False).logits[0, :-1]
    loss = torch.nn.functional.cross_entropy(logits, tokens[0, 1:])
    loss.backward()
    out = {"loss": loss.detach().reshape(1)}
    out |= {name: entries(g) for name, g in stored(model, lambda p: p.grad)}
    if "moe" in model.config.model_type or model.config.model_type == "mixtral":
        routed = model(tokens, use_cache=False, output_router_logits=True)
        out |= {"aux_loss": routed.aux_loss.detach().reshape(1), "router_logits": torch.cat(routed.router_logits).detach()}
    save_file(out, path / "gradients.safetensors")
    print(f"{path.name}: loss {loss:.4f}, {len(out)} tensors, {(path / 'gradients.safetensors').stat().st_size} bytes")


for name in sys.argv[1:] or NAMES:
    make(FIXTURES / name)
for name in sys.argv[1:] or TRAINED:
    train(FIXTURES / name)
