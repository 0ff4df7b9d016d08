#!/usr/bin/env python3
"""Writes graphs/tests/fixtures/<name>/: tiny random checkpoints and what transformers computes with them.

usage: make_model_fixtures.py [NAME ...] [--out DIR]     needs: pip install torch transformers safetensors numpy

Each directory is what `save_pretrained` writes (config.json, model.safetensors or shards with an index), edited as the
row of specs() says, plus

    reference.safetensors   tokens            i32 [1, T]      the prompt
                            logits            f32 [1, T, V]
                            hidden_states.N   f32 [1, T, D]   N = 0 (embeddings) .. layers; the last is after the final norm,
                                                              as transformers' output_hidden_states has it
                            greedy            i32 [1, 16]     the most likely continuation of the prompt
    ragged.safetensors      (some models) tokens i32 [B, Tmax] padded on the right with 0, lengths i32 [B],
                            last_logits f32 [B, V] at each prompt's last token, greedy i32 [B, 16]; computed one by one

The reference runs the reloaded directory in f32 with eager attention, so a 16-bit checkpoint's weights are widened first.
Weights are drawn large enough to matter: matrices N(0, 0.25), embeddings of tokens N(0, 0.4) and of positions N(0, 0.6),
norm gains 1 + N(0, 0.3), biases N(0, 0.3). The seed of each model is the first whose continuation is unambiguous: every step's
best token leads by 2% of the logits' standard deviation, none is the end token, at least six are distinct, decoding with a
cache gives the same tokens, and f32 rounding moves no value of the reference by more than 3e-6 of its tensor's standard
deviation (measured against f64). With dynamic rope and longrope, whose frequencies change with the length, the continuation is the same
whether a cache keeps the keys of shorter lengths, everything is recomputed, or the prompt's frequencies are kept.

Newer families, and what is particular to them, stand in fixture_families.py. Where experts are chosen, the seed is one with which
no choice is close: weights that differ by 1e-5 give the same experts (`steady`).
"""
import argparse
import copy
import json
import pathlib
import shutil

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import (AutoModelForCausalLM, Gemma2Config, Gemma3TextConfig, GemmaConfig, GPT2Config, LlamaConfig, MistralConfig, MixtralConfig,
                          Qwen2Config, Qwen3Config, Qwen3MoeConfig)
from transformers.utils import logging

import fixture_families
from fixture_families import EOS, LLAMA, rope, transformers_4

OUT = pathlib.Path(__file__).resolve().parent.parent / "graphs/tests/fixtures"
STEPS = 16
LEAD = 0.02
NOISE = 3e-6

ROPE = dict(num_attention_heads=2, num_key_value_heads=1, vocab_size=83)   # heads of 16: eight rotary frequencies
GPT2 = dict(vocab_size=89, n_positions=64, n_embd=32, n_layer=2, n_head=4, bos_token_id=1, eos_token_id=EOS)
SHORT, LONG = [1.0, 1.05, 1.2, 1.3, 1.7, 2.0, 2.5, 3.0], [1.1, 1.5, 2.0, 3.0, 4.5, 6.0, 9.0, 12.0]


# name: (config class, config fields, options). Options: dtype of the saved weights, std of the matrices and of the embedding (`embed`), prompt length, shard size,
# `edit`: a function that turns the saved directory into the form other writers produce, ragged: write ragged.safetensors, steady: see above,
# scales: factors for the parameters whose names end so, stored: see fixture_families.py.
def specs():
    llama = lambda fields, **options: (LlamaConfig, LLAMA | fields, options)
    gpt2 = lambda fields, **options: (GPT2Config, GPT2 | fields, options)
    other = lambda cls: lambda fields, **options: (cls, LLAMA | fields, options)
    mistral, qwen2, qwen3 = other(MistralConfig), other(Qwen2Config), other(Qwen3Config)
    mixtral, qwen3moe = other(MixtralConfig), other(Qwen3MoeConfig)
    gemma, gemma2, gemma3 = other(GemmaConfig), other(Gemma2Config), other(Gemma3TextConfig)
    nested = lambda local, whole: dict(rope_parameters=dict(sliding_attention=dict(rope_type="default", rope_theta=local), full_attention=whole))
    return {
        "llama_mha_tied": llama(dict(num_key_value_heads=4, tie_word_embeddings=True, vocab_size=131)),
        "llama_gqa_untied": llama(dict(num_key_value_heads=1, num_hidden_layers=3, vocab_size=67), ragged=True),
        "llama_head_dim_biases": llama(dict(head_dim=12, attention_bias=True, mlp_bias=True, rms_norm_eps=1e-3) | rope("default", 500.0)),
        "llama_gelu": llama(dict(hidden_act="gelu_pytorch_tanh", tie_word_embeddings=True)),
        "llama_rope_linear": llama(ROPE | rope("linear", factor=3.0), prompt=19),
        "llama_rope_dynamic": llama(ROPE | dict(max_position_embeddings=64) | rope("dynamic", factor=1.5), prompt=70, std=0.15),
        "llama_rope_llama3": llama(ROPE | rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                               original_max_position_embeddings=64), prompt=19),
        "llama_rope_yarn": llama(ROPE | dict(max_position_embeddings=256) | rope(
            "yarn", factor=4.0, beta_fast=1.5, beta_slow=0.2, original_max_position_embeddings=64), prompt=19),
        "llama_rope_yarn_mscale": llama(ROPE | dict(max_position_embeddings=256) | rope(
            "yarn", factor=8.0, beta_fast=2.0, beta_slow=0.25, mscale=0.8, mscale_all_dim=0.4, truncate=False,
            original_max_position_embeddings=32), prompt=19),
        "llama_rope_longrope_short": llama(ROPE | rope("longrope", short_factor=SHORT, long_factor=LONG,
                                                       original_max_position_embeddings=32), prompt=13),
        "llama_rope_longrope_long": llama(ROPE | rope("longrope", short_factor=SHORT, long_factor=LONG, factor=8.0, attention_factor=1.25,
                                                      original_max_position_embeddings=16), prompt=19),
        "llama_rope_both_beyond": llama(ROPE | dict(max_position_embeddings=16) | rope("yarn", factor=4.0, beta_fast=1.5, beta_slow=0.2),
                                        edit=both_dialects, prompt=45, dtype=torch.bfloat16),
        "llama_tied_own_head": llama(dict(tie_word_embeddings=True), edit=own_head, dtype=torch.bfloat16),
        "llama_bf16": llama({}, dtype=torch.bfloat16),
        "llama_sharded": llama(dict(num_hidden_layers=3, vocab_size=71), shard="30KB"),
        "llama_v4": llama(dict(tie_word_embeddings=True) | ROPE | rope(
            "llama3", 500000.0, factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=48),
            edit=transformers_4, prompt=19),
        "llama_v4_first": llama(dict(num_key_value_heads=4), dtype=torch.float16, edit=first_llama),
        "gpt2_plain": gpt2({}, ragged=True),
        "gpt2_inner_layer_scale": gpt2(dict(n_inner=53, scale_attn_by_inverse_layer_idx=True, n_layer=3, vocab_size=73,
                                            layer_norm_epsilon=1e-3)),
        "gpt2_unscaled_gelu": gpt2(dict(scale_attn_weights=False, activation_function="gelu", n_head=8)),
        "gpt2_upcast_untied": gpt2(dict(reorder_and_upcast_attn=True, scale_attn_by_inverse_layer_idx=True,
                                        activation_function="relu", tie_word_embeddings=False)),
        "gpt2_hub": gpt2(dict(n_layer=2, n_positions=32), edit=first_gpt2),
        "gpt2_f16": gpt2({}, dtype=torch.float16),
        "mistral_window": mistral(dict(sliding_window=5, num_hidden_layers=3, vocab_size=91), prompt=17),
        "mistral_head_dim_tied": mistral(dict(sliding_window=None, head_dim=12, tie_word_embeddings=True, num_key_value_heads=1)),
        "mistral_v4": mistral(dict(sliding_window=7, num_key_value_heads=4) | rope("default", 1e6), edit=transformers_4, prompt=13),
        "qwen2_tied": qwen2(dict(tie_word_embeddings=True, vocab_size=103)),
        "qwen2_window": qwen2(dict(use_sliding_window=True, sliding_window=6, max_window_layers=1, num_hidden_layers=3,
                                   num_key_value_heads=1), prompt=17),
        "qwen2_v4": qwen2(dict(num_key_value_heads=4, vocab_size=71) | rope("default", 1e6), edit=qwen_4, dtype=torch.bfloat16),
        "qwen3_head_dim": qwen3(dict(head_dim=24, tie_word_embeddings=True)),
        "qwen3_bias_one_head": qwen3(dict(head_dim=8, attention_bias=True, num_key_value_heads=1, num_hidden_layers=3, vocab_size=67)),
        "qwen3_yarn_v4": qwen3(dict(head_dim=16, max_position_embeddings=256) | rope(
            "yarn", 1e6, factor=4.0, original_max_position_embeddings=64), edit=qwen_4, prompt=19),
        "mixtral_top2": mixtral(dict(num_local_experts=4, intermediate_size=20, sliding_window=None)),
        "mixtral_window_one_head": mixtral(dict(num_local_experts=5, num_experts_per_tok=3, intermediate_size=17, sliding_window=5,
                                                num_key_value_heads=1, tie_word_embeddings=True, num_hidden_layers=3, vocab_size=67), prompt=17),
        "mixtral_v4": mixtral(dict(num_local_experts=3, num_experts_per_tok=1, intermediate_size=24, head_dim=12) | rope("default", 1e6),
                                      edit=transformers_4, dtype=torch.bfloat16),
        "qwen3moe_top3": qwen3moe(dict(num_experts=6, num_experts_per_tok=3, moe_intermediate_size=12, head_dim=12, norm_topk_prob=True)),
        "qwen3moe_mixed": qwen3moe(dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=15, head_dim=8, decoder_sparse_step=2,
                                        num_hidden_layers=4, mlp_only_layers=[3], intermediate_size=24, num_key_value_heads=1, vocab_size=71)),
        "qwen3moe_bias": qwen3moe(dict(num_experts=5, num_experts_per_tok=1, moe_intermediate_size=16, head_dim=16, attention_bias=True,
                                       tie_word_embeddings=True)),
        "gemma_tied": gemma(dict(head_dim=12, num_key_value_heads=1)),
        "gemma_untied_gelu": gemma(dict(head_dim=8, tie_word_embeddings=False, hidden_act="gelu", num_hidden_layers=3, vocab_size=67)),
        "gemma_first": gemma(dict(head_dim=12, num_key_value_heads=1), edit=first_gemma, dtype=torch.bfloat16),
        "gemma_v4": gemma(dict(head_dim=16, num_key_value_heads=4, vocab_size=71), edit=gemma_4, dtype=torch.bfloat16),
        "gemma2_windows": gemma2(dict(head_dim=12, sliding_window=5, num_hidden_layers=4, query_pre_attn_scalar=20,
                                      attn_logit_softcapping=3.0, final_logit_softcapping=2.0), prompt=17, embed=0.1),
        "gemma2_caps_one_head": gemma2(dict(head_dim=8, sliding_window=64, num_key_value_heads=1, query_pre_attn_scalar=8,
                                            attn_logit_softcapping=2.0, final_logit_softcapping=None, tie_word_embeddings=False)),
        "gemma2_v4": gemma2(dict(head_dim=16, sliding_window=4, num_hidden_layers=3, vocab_size=71, query_pre_attn_scalar=16,
                                 attn_logit_softcapping=None), edit=gemma_4, prompt=13, embed=0.1),
        "gemma3_pattern": gemma3(dict(head_dim=12, sliding_window=5, num_hidden_layers=7, query_pre_attn_scalar=20) |
                                 nested(10000.0, dict(rope_type="default", rope_theta=1e6)), prompt=17, embed=0.1),
        "gemma3_linear": gemma3(dict(head_dim=16, sliding_window=6, num_hidden_layers=3, num_key_value_heads=1, query_pre_attn_scalar=16,
                                     layer_types=["sliding_attention", "full_attention", "sliding_attention"]) |
                                nested(500.0, dict(rope_type="linear", rope_theta=1e5, factor=8.0)), prompt=19, embed=0.1),
        "gemma3_v4": gemma3(dict(head_dim=8, sliding_window=4, num_hidden_layers=4, vocab_size=71, query_pre_attn_scalar=8,
                                 layer_types=["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
                                 final_logit_softcapping=8.0) |
                            nested(10000.0, dict(rope_type="linear", rope_theta=1e6, factor=4.0)), edit=gemma3_4, prompt=13, embed=0.1),
    } | fixture_families.specs()


def qwen_4(path, config, tensors):
    """As transformers 4 wrote them: without layer_types; whether there is a window is a field of its own."""
    transformers_4(path, config, tensors)
    config.pop("layer_types", None)


def gemma_4(path, config, tensors):
    """As transformers 4 wrote them: `hidden_activation` counts, the `hidden_act` beside it does not."""
    transformers_4(path, config, tensors)
    config.pop("layer_types", None)
    config["hidden_activation"] = config.pop("hidden_act", config.get("hidden_activation"))
    config["hidden_act"] = "gelu"


def first_gemma(path, config, tensors):
    """As the first release: `hidden_act` is "gelu", which means its approximation."""
    transformers_4(path, config, tensors)
    config["hidden_act"] = "gelu"


def both_dialects(path, config, tensors):
    """`rope_scaling` in a file of transformers 5, as people add it by hand: it counts, and the `rope_parameters` beside it do not."""
    config["rope_scaling"] = config["rope_parameters"]
    config["rope_parameters"] = dict(rope_type="default", rope_theta=10000.0)


def own_head(path, config, tensors):
    """A head that is not the embedding, although the configuration ties them: transformers 5 takes the head."""
    g = torch.Generator().manual_seed(9)
    embed = tensors["model.embed_tokens.weight"]
    tensors["lm_head.weight"] = (0.4 * torch.randn(embed.shape, generator=g)).to(embed.dtype)


def gemma3_4(path, config, tensors):
    """The first Gemma 3: a base of its own for the local layers, and a pattern instead of layer types."""
    rope = config["rope_parameters"]
    config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
    config["rope_parameters"] = rope["full_attention"]
    gemma_4(path, config, tensors)
    config["sliding_window_pattern"] = 3


def first_llama(path, config, tensors):
    """The first LLaMA checkpoints: no rope fields, no kv head count, and rotary frequencies stored as tensors."""
    transformers_4(path, config, tensors)
    for field in ("rope_theta", "rope_scaling", "num_key_value_heads", "attention_bias", "attention_dropout", "mlp_bias",
                  "head_dim", "pretraining_tp"):
        config.pop(field, None)
    dim = config["hidden_size"] // config["num_attention_heads"]
    for i in range(config["num_hidden_layers"]):
        tensors[f"model.layers.{i}.self_attn.rotary_emb.inv_freq"] = 1 / 10000 ** (torch.arange(0, dim, 2) / dim)


def first_gpt2(path, config, tensors):
    """The GPT-2 files of the hub: names without `transformer.`, causal masks stored as tensors, `n_ctx`, few fields."""
    for field in ("dtype", "scale_attn_weights", "scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn",
                  "n_inner", "tie_word_embeddings", "add_cross_attention", "transformers_version", "pad_token_id", "use_cache"):
        config.pop(field, None)
    n = config["n_ctx"] = config["n_positions"]
    for name in list(tensors):
        tensors[name.removeprefix("transformer.")] = tensors.pop(name)
    for i in range(config["n_layer"]):
        tensors[f"h.{i}.attn.bias"] = torch.ones(n, n).tril().reshape(1, 1, n, n)


def randomize(model, seed, std, embed, scales):
    """Draws every parameter anew, by its kind; `std` is that of the matrices, `embed` that of the token embedding."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=g)
            if name.endswith("bias"):
                p.copy_(0.3 * noise)
            elif name.endswith("sinks"):
                p.copy_(noise)
            elif p.ndim == 1:   # Gemma's gains are what is added to 1
                p.copy_(0.3 * noise + (not model.config.model_type.startswith("gemma")))
            else:
                p.copy_((0.6 if "wpe" in name else embed if "wte" in name or "embed_tokens" in name else std) * noise)
            for end, factor in scales.items():
                p.mul_(factor if name.endswith(end) else 1)
        for name, b in model.named_buffers():
            if name.endswith("e_score_correction_bias"):
                b.copy_(0.3 * torch.randn(b.shape, generator=g))


def write_checkpoint(path, config, options, seed):
    """Writes the directory, and gives the tensors that shall be stored in it, if those are others than transformers can run."""
    shutil.rmtree(path, ignore_errors=True)
    model = AutoModelForCausalLM.from_config(config)
    randomize(model, seed, options.get("std", 0.25), options.get("embed", 0.4), options.get("scales", {}))
    model.to(options.get("dtype", torch.float32)).save_pretrained(path, max_shard_size=options.get("shard", "1GB"))
    (path / "generation_config.json").unlink()
    if "edit" in options:
        tensors = load_file(path / "model.safetensors")
        text = json.loads((path / "config.json").read_text())
        options["edit"](path, text, tensors)
        (path / "config.json").write_text(json.dumps(text, indent=2) + "\n")
        save(tensors, path)
    if "stored" not in options:
        return None
    pack, config = options["stored"]
    stored = pack(load_file(path / "model.safetensors"))
    save(fixture_families.UNPACK[config["quant_method"]](stored), path)
    return stored


def save(tensors, path):
    save_file({k: v.contiguous() for k, v in tensors.items()}, path / "model.safetensors", metadata={"format": "pt"})


def load(path):
    model, report = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager",
                                                         experts_implementation="eager", output_loading_info=True)
    assert not report["missing_keys"] and not report["mismatched_keys"], report
    return model.eval()


@torch.no_grad()
def greedy(model, tokens, cache, freeze=False):
    """The greedy continuation of one prompt, the smallest lead of a best token over the second, in standard deviations, and
    the logits of the prompt's last token. `freeze` keeps the rotary frequencies of the prompt."""
    model = copy.deepcopy(model)   # dynamic rope remembers the longest sequence it has seen
    ids, past, lead, first = tokens, None, np.inf, None
    for _ in range(STEPS):
        out = model(ids if past is None else ids[:, -1:], past_key_values=past, use_cache=cache)
        past, row = out.past_key_values if cache else None, out.logits[0, -1]
        first = row if first is None else first
        top = row.topk(2).values
        lead = min(lead, float((top[0] - top[1]) / out.logits.std()))
        if lead < LEAD:
            break
        ids = torch.cat([ids, row.argmax().reshape(1, 1)], 1)
        if freeze:
            model.model.rotary_emb.rope_type = "default"
    return ids[:, tokens.shape[1]:], lead, first


def decisive(model, tokens, distinct=6):
    """The greedy continuation if it meets the conditions of the module's docstring, else None."""
    found, lead, first = greedy(model, tokens, cache=True)
    if lead < LEAD or EOS in found or len(set(found[0].tolist())) < distinct:
        return None
    others = [greedy(model, tokens, cache=False)]
    if getattr(model.config, "rope_parameters", None) and model.config.rope_parameters.get("rope_type") in ("dynamic", "longrope"):
        others.append(greedy(model, tokens, cache=True, freeze=True))
    return (found, first) if all(lead >= LEAD and torch.equal(found, ids) for ids, lead, _ in others) else None


def prompt(vocab, length, seed):
    return torch.from_numpy(np.random.default_rng(seed).integers(3, vocab, size=(1, length)))


def i32(x):
    return x.to(torch.int32).contiguous()


@torch.no_grad()
def reference(model, tokens):
    model = copy.deepcopy(model)
    out = model(tokens, output_hidden_states=True, use_cache=False)
    ref = {"tokens": i32(tokens), "logits": out.logits}
    ref |= {f"hidden_states.{i}": h for i, h in enumerate(out.hidden_states)}
    for module in model.modules():   # GPT-2's upcasting attention refuses f64
        module.reorder_and_upcast_attn = False
    exact = model.double()(tokens, output_hidden_states=True, use_cache=False)
    noise = max(float((a - b).abs().max() / b.std()) for a, b in
                zip((out.logits, *out.hidden_states), (exact.logits, *exact.hidden_states)))
    return ref, noise


@torch.no_grad()
def steady(model, tokens):
    """Whether no expert is chosen so closely that slightly other weights choose another."""
    other, g = copy.deepcopy(model), torch.Generator().manual_seed(0)
    for p in other.parameters():
        p.mul_(1 + 1e-5 * torch.randn(p.shape, generator=g))
    a, b = (m(tokens, output_hidden_states=True, use_cache=False).hidden_states for m in (model, other))
    return all(float((x - y).abs().max() / x.std()) < 1e-3 for x, y in zip(a, b))


def ragged(model, vocab, seed, sure):
    """Four prompts of different lengths, each continued on its own; None if one of them is ambiguous, or not `sure`."""
    rows = [prompt(vocab, n, (seed, n)) for n in (3, 12, 7, 1)]
    found = []
    for r in rows:
        found.append(sure(r, decisive(model, r, distinct=3)))
        if found[-1] is None:
            return None
    tokens = torch.zeros(len(rows), max(r.shape[1] for r in rows), dtype=torch.int32)
    for i, r in enumerate(rows):
        tokens[i, :r.shape[1]] = r[0]
    return {"tokens": tokens, "lengths": torch.tensor([r.shape[1] for r in rows], dtype=torch.int32),
            "greedy": i32(torch.cat([f for f, _ in found])), "last_logits": torch.stack([first for _, first in found])}


def make(path, cls, fields, options):
    for seed in range(10000):
        config = cls(**fields)
        stored = write_checkpoint(path, config, options, seed)
        model = load(path)
        tokens = prompt(config.vocab_size, options.get("prompt", 11), seed)
        ref, noise = reference(model, tokens)
        sure = lambda row, found: found if found and (not options.get("steady") or steady(model, torch.cat([row, found[0]], 1))) else None
        found = sure(tokens, decisive(model, tokens)) if noise < NOISE else None
        batch = ragged(model, config.vocab_size, seed, sure) if found and options.get("ragged") else None
        if found and (batch or not options.get("ragged")):
            break
    ref["greedy"] = i32(found[0])
    save_file({k: v.contiguous() for k, v in ref.items()}, path / "reference.safetensors")
    if stored:
        save(stored, path)
        text = json.loads((path / "config.json").read_text()) | {"quantization_config": options["stored"][1]}
        (path / "config.json").write_text(json.dumps(text, indent=2) + "\n")
    if batch:
        save_file(batch, path / "ragged.safetensors")
    size = sum(f.stat().st_size for f in path.iterdir())
    print(f"{path.name}: seed {seed}, {size} bytes, f32 against f64 {noise:.1e}, greedy {found[0][0].tolist()}", flush=True)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("names", nargs="*")
    args.add_argument("--out", type=pathlib.Path, default=OUT)
    args = args.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    for name, (cls, fields, options) in specs().items():
        if not args.names or name in args.names:
            make(args.out / name, cls, fields, options)


if __name__ == "__main__":
    main()
