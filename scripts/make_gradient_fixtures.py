#!/usr/bin/env python3
"""Writes graphs/tests/fixtures/<name>/gradients.safetensors: PyTorch's gradient of the loss for every parameter.

usage: make_gradient_fixtures.py [NAME ...]     needs: pip install torch transformers safetensors

The loss is the mean cross entropy of each token of reference.safetensors' `tokens`, given those before it, in f32 with eager
attention. `loss` holds it; under a parameter's name in the checkpoint stand at most 128 entries of its gradient, `step` apart
in the order of its elements (the smallest step that gives so few), and behind them its norm. With experts, `router_logits` are those of all layers with experts [layers * T, experts], and `aux_loss` is the
load-balancing loss.
"""
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "graphs/tests/fixtures"
NAMES = ["gpt2_plain", "llama_head_dim_biases", "mistral_window", "mixtral_window_one_head", "qwen2_window", "qwen3_bias_one_head",
         "qwen3moe_mixed", "gemma_untied_gelu", "gemma2_windows", "gemma3_pattern"]
KEPT = 128


def stored(model):
    """Name in the checkpoint and gradient of each parameter. transformers holds the experts of a layer in two tensors."""
    mixtral = model.config.model_type == "mixtral"
    for name, p in model.named_parameters():
        if name.endswith("experts.gate_up_proj"):
            base = name.removesuffix("gate_up_proj").replace(".mlp.", ".block_sparse_moe." if mixtral else ".mlp.")
            for e, (gate, up) in enumerate(g.chunk(2) for g in p.grad):
                yield f"{base}{e}.{'w1' if mixtral else 'gate_proj'}.weight", gate
                yield f"{base}{e}.{'w3' if mixtral else 'up_proj'}.weight", up
        elif name.endswith("experts.down_proj"):
            base = name.removesuffix("down_proj").replace(".mlp.", ".block_sparse_moe." if mixtral else ".mlp.")
            for e, down in enumerate(p.grad):
                yield f"{base}{e}.{'w2' if mixtral else 'down_proj'}.weight", down
        else:
            yield name.replace(".mlp.gate.", ".block_sparse_moe.gate.") if mixtral else name, p.grad


def make(path):
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager")
    tokens = load_file(path / "reference.safetensors")["tokens"].long()
    logits = model.eval()(tokens, use_cache=False).logits[0, :-1]
    loss = torch.nn.functional.cross_entropy(logits, tokens[0, 1:])
    loss.backward()
    out = {"loss": loss.detach().reshape(1)}
    for name, g in stored(model):
        step = -(-g.numel() // KEPT)
        out[name] = torch.cat([g.flatten()[::step], g.norm().reshape(1)])
    if "moe" in model.config.model_type or model.config.model_type == "mixtral":
        routed = model(tokens, use_cache=False, output_router_logits=True)
        out |= {"aux_loss": routed.aux_loss.detach().reshape(1), "router_logits": torch.cat(routed.router_logits).detach()}
    save_file(out, path / "gradients.safetensors")
    print(f"{path.name}: loss {loss:.4f}, {len(out)} tensors, {(path / 'gradients.safetensors').stat().st_size} bytes")


for name in sys.argv[1:] or NAMES:
    make(FIXTURES / name)
