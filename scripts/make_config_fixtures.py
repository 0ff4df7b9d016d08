#!/usr/bin/env python3
"""Writes graphs/tests/fixtures/config_fields.json: what each field of each family's configuration means to transformers.

usage: make_config_fixtures.py     needs: pip install torch transformers

For each `model_type`, a tiny configuration `base`, and for each field of its class and each field that files have beside them:

    absent   what the class takes where the file has no such field; "refused" if it does not construct
    null     {"value": the same where it is null, "effect": see below}
    other    values (of the field, and of others that it needs to matter) that differ from `base`
    effect   what `other` does to a model with the same weights, in f32:
             "none": the same logits, "logits": others, "shapes": other parameters, "refused": no model

`beside` has, for fields that the class does not have, a value and its effect.

Values that JSON cannot hold, and what does not concern the computation at all (names of classes, versions), are left out.
"""
import json
import pathlib

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM
from transformers import __version__ as version
from transformers.utils import logging

OUT = pathlib.Path(__file__).resolve().parent.parent / "graphs/tests/fixtures/config_fields.json"
logging.set_verbosity_error()
logging.disable_progress_bar()

BASE = dict(vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2,
            max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0)
MOE = dict(num_experts_per_tok=2, moe_intermediate_size=8)
LATENT = BASE | MOE | dict(num_key_value_heads=4, q_lora_rank=8, kv_lora_rank=8, qk_nope_head_dim=4, qk_rope_head_dim=4, v_head_dim=4,
                           n_routed_experts=4, n_shared_experts=1, first_k_dense_replace=1)
GPT2 = dict(vocab_size=32, n_positions=64, n_embd=16, n_layer=2, n_head=4, bos_token_id=1, eos_token_id=2, pad_token_id=0)
GEMMA = BASE | dict(head_dim=4)
FAMILIES = {
    "llama": BASE, "mistral": BASE, "qwen2": BASE, "qwen3": BASE | dict(head_dim=4), "mixtral": BASE | dict(num_local_experts=4),
    "qwen3_moe": BASE | MOE | dict(num_experts=4, head_dim=4), "gemma": GEMMA, "gemma2": GEMMA | dict(query_pre_attn_scalar=4, sliding_window=5),
    "gemma3_text": GEMMA | dict(query_pre_attn_scalar=4, sliding_window=5, sliding_window_pattern=2), "phi3": BASE, "olmo2": BASE, "smollm3": BASE,
    "gpt_oss": BASE | dict(num_local_experts=4, num_experts_per_tok=2, head_dim=4, sliding_window=5),
    "deepseek_v2": LATENT | dict(n_group=2, topk_group=1), "deepseek_v3": LATENT | dict(n_group=2, topk_group=1), "gpt2": GPT2,
}  # fmt: skip

# What files have beside the fields of their class, or had in earlier versions.
BESIDE = dict(
    is_causal=False, is_decoder=True, attention_bias=True, mlp_bias=True, use_bidirectional_attention=True, partial_rotary_factor=0.5,
    rope_theta=500.0, original_max_position_embeddings=32, hidden_activation="gelu", hidden_act="gelu", use_sliding_window=True,
    sliding_window=3, max_window_layers=1, rope_local_base_freq=500.0, sliding_window_pattern=3, attn_logit_softcapping=2.0,
    final_logit_softcapping=1.0, query_pre_attn_scalar=9, logit_scale=0.5, embedding_multiplier=2.0, head_dim=8, norm_topk_prob=True,
    scoring_func="softmax", topk_method="noaux_tc", moe_layer_freq=2, num_nextn_predict_layers=2, rms_norm_eps=0.1, rope_interleave=False,
    lm_head_bias=True, residual_multiplier=0.5, attention_multiplier=0.3, cache_implementation="hybrid", router_jitter_noise=0.1,
    qk_layernorm=True, no_rope_layer_interval=2, attention_chunk_size=4, scale_attn_weights=False, n_ctx=32, layer_norm_epsilon=0.1,
    clip_qkv=0.1, use_qk_norm=True, rope_interleaved=True, hidden_dropout=0.1, layer_types=["full_attention", "sliding_attention"] * 2,
    rope_scaling=dict(rope_type="linear", factor=4.0), num_experts=5, num_local_experts=5, experts_per_token=2, initial_context_length=32,
    _sliding_window_pattern=2, qk_head_dim=12,
)  # fmt: skip
LINEAR = dict(rope_type="linear", factor=4.0)
HALF = ["full_attention", "sliding_attention"] * 2
# Values that differ from the defaults and make sense, where they do not follow from the default's type.
OTHER = dict(
    hidden_act="relu", hidden_activation="relu", activation_function="relu", rope_parameters=LINEAR | dict(rope_theta=1e4), layer_types=HALF, sliding_window=3,
    head_dim=8, num_attention_heads=2, num_key_value_heads=1, rms_norm_eps=0.1, layer_norm_epsilon=0.1, use_bidirectional_attention=True,
    attn_logit_softcapping=2.0, final_logit_softcapping=1.0, query_pre_attn_scalar=9, no_rope_layers=[0, 1, 1, 1], mlp_only_layers=[1],
    num_experts_per_tok=1, topk_group=2, n_group=1, topk_method="group_limited_greedy", q_lora_rank=6, n_inner=24, swiglu_limit=0.05,
    original_max_position_embeddings=32, routed_scaling_factor=3.0, decoder_sparse_step=2, first_k_dense_replace=2, no_rope_layer_interval=2,
    summary_activation="tanh", eos_token_id=3, bos_token_id=3, pad_token_id=3, num_experts=5, num_local_experts=5,
    n_routed_experts=6, swiglu_alpha=1.0, n_head=2, max_window_layers=1,
)  # fmt: skip
# What must be there for a field to matter.
WITH = {
    "qwen2": dict(sliding_window=dict(use_sliding_window=True, max_window_layers=1), max_window_layers=dict(use_sliding_window=True, sliding_window=3),
                  use_sliding_window=dict(sliding_window=3, max_window_layers=0), layer_types=dict(use_sliding_window=True, sliding_window=3)),
    "smollm3": dict(sliding_window=dict(use_sliding_window=True), use_sliding_window=dict(sliding_window=3), layer_types=dict(use_sliding_window=True, sliding_window=3),
                    no_rope_layer_interval={}),
    "deepseek_v2": dict(topk_method=dict(n_group=2, topk_group=1), n_group=dict(topk_method="group_limited_greedy", topk_group=1),
                        topk_group=dict(topk_method="group_limited_greedy", n_group=2)),
    "qwen3_moe": dict(norm_topk_prob={}, mlp_only_layers={}),
}  # fmt: skip
WITH["qwen3"] = WITH["qwen2"]
WITH["qwen3_moe"] |= dict(sliding_window=dict(use_sliding_window=True), use_sliding_window=dict(sliding_window=3), max_window_layers=dict(use_sliding_window=True, sliding_window=3))
NOT_NUMBERS = {
    "base_config_key", "sub_configs_defaults", "attribute_map", "base_model_tp_plan", "base_model_fsdp_plan", "base_model_pp_plan",
    "base_model_ep_plan", "_auto_class", "extra_files", "extra_config_files", "model_type", "transformers_version", "architectures", "dtype",
    "id2label", "label2id", "problem_type", "keys_to_ignore_at_inference", "num_hidden_layers", "n_layer", "default_theta", "return_dict",
    "is_encoder_decoder", "add_cross_attention",
}  # fmt: skip
TOKENS = torch.tensor([[3, 17, 5, 29, 11, 8, 23, 14, 2, 30, 7, 19]])


def config(kind, fields):
    return CONFIG_MAPPING[kind](**json.loads(json.dumps(fields)))


def model(c):
    c._attn_implementation = "eager"
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(c, dtype=torch.float32, attn_implementation="eager").eval()


def draw(m):
    g = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in m.parameters():
            p.copy_(0.5 * torch.randn(p.shape, generator=g))


def logits(m):
    with torch.no_grad():
        return m(TOKENS).logits


def effect(kind, weights, reference, fields):
    try:
        m = model(config(kind, fields))
        shapes = {k: v.shape for k, v in m.state_dict().items()}
        if shapes != {k: v.shape for k, v in weights.items()}:
            return "shapes"
        m.load_state_dict(weights)
        moved = (logits(m) - reference).abs().max().item()
        return "none" if moved <= 1e-5 * reference.std().item() else "logits"
    except Exception:
        return "refused"


def resolved(kind, fields, name):
    try:
        c = config(kind, fields)
        value = getattr(c, name, None)
        return json.loads(json.dumps(value))
    except Exception:
        return "refused"


def other_value(name, default):
    if name in OTHER:
        return OTHER[name]
    match default:
        case bool():
            return not default
        case int():
            return default * 2 + 2
        case float():
            return default * 2 + 0.25
    return BESIDE.get(name)


def family(kind, base):
    cls = CONFIG_MAPPING[kind]
    m = model(config(kind, base))
    draw(m)
    weights, reference = m.state_dict(), logits(m)
    own = [f for f in cls.__dataclass_fields__ if f not in NOT_NUMBERS and not f.startswith("_")]
    fields, beside = {}, {}
    for name in own + [f for f in BESIDE if f not in own]:
        row = {}
        needs = WITH.get(kind, {}).get(name, {})
        if name not in own:
            beside[name] = [BESIDE[name], effect(kind, weights, reference, base | {name: BESIDE[name]})]
            continue
        start = base | needs
        bare = {k: v for k, v in start.items() if k != name}
        absent = resolved(kind, bare, name)
        value = other_value(name, start.get(name, absent))
        if value is None:
            continue
        row["absent"] = absent
        row["null"] = dict(value=resolved(kind, bare | {name: None}, name), effect=effect(kind, weights, reference, bare | {name: None}))
        row["other"] = needs | {name: value}
        # (the same but for this field, so that what it needs counts for nothing)
        before = reference if not needs else logits_of(kind, weights, start)
        row["effect"] = effect(kind, weights, before, start | {name: value})
        fields[name] = row
    return dict(base=base, fields=fields, beside=beside)


def logits_of(kind, weights, fields):
    m = model(config(kind, fields))
    m.load_state_dict(weights)
    return logits(m)


def main():
    families = {kind: family(kind, base) for kind, base in FAMILIES.items()}
    rows = []
    for kind, made in families.items():
        fields = ",\n".join(f"    {json.dumps(k)}: {json.dumps(v)}" for k, v in made["fields"].items())
        rest = f'"base": {json.dumps(made["base"])}, "beside": {json.dumps(made["beside"])}'
        rows.append(f'  {json.dumps(kind)}: {{{rest}, "fields": {{\n{fields}\n  }}}}')
    OUT.write_text('{"transformers": "' + version + '", "families": {\n' + ",\n".join(rows) + "\n}}\n")


if __name__ == "__main__":
    main()
