"""The newer families of make_model_fixtures.py: their configurations, their files as the hub has them, and stored 8- and 4-bit weights.

An option `stored` is a pair (pack, quantization_config): `pack` turns the tensors of a plain checkpoint into those that are stored;
UNPACK of the same method gives back plain ones, with which the reference is computed.
"""
import torch
from transformers import (DeepseekV2Config, DeepseekV3Config, Gemma3TextConfig, GptOssConfig, Olmo2Config, Phi3Config, Qwen3MoeConfig,
                          SmolLM3Config)
from transformers.integrations.mxfp4 import FP4_VALUES, convert_moe_packed_tensors

EOS = 2
LLAMA = dict(vocab_size=97, hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=128, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=EOS)
SMALL = LLAMA | dict(vocab_size=61, intermediate_size=40, pad_token_id=None)
EXPERTS = dict(moe_intermediate_size=8, n_routed_experts=8, num_experts_per_tok=3, first_k_dense_replace=1)
LATENT = SMALL | EXPERTS | dict(num_hidden_layers=3, num_key_value_heads=4, q_lora_rank=12, kv_lora_rank=16, qk_nope_head_dim=8,
                                qk_rope_head_dim=8, v_head_dim=6)
SIX, SIX_LONG = [1.0, 1.1, 1.3, 1.7, 2.2, 3.0], [1.2, 1.9, 3.0, 5.0, 8.0, 12.0]
FOUR, FOUR_LONG = [1.0, 1.2, 1.6, 2.5], [1.3, 2.5, 5.0, 10.0]
YARN = dict(factor=8.0, beta_fast=2.0, beta_slow=0.25, original_max_position_embeddings=32)


def rope(kind, theta=10000.0, **kw):
    return dict(rope_parameters=dict(rope_type=kind, rope_theta=theta, **kw))


def specs():
    family = lambda cls, base: lambda fields, **options: (cls, base | fields, options)
    phi3, olmo2, smollm3 = family(Phi3Config, SMALL), family(Olmo2Config, SMALL), family(SmolLM3Config, SMALL)
    longrope = lambda short, long, **kw: rope("longrope", short_factor=short, long_factor=long, **kw)
    return {
        "phi3_gqa_untied": phi3(dict(num_hidden_layers=3), ragged=True),
        "phi3_partial_long_tied": phi3(dict(num_attention_heads=2, num_key_value_heads=1, original_max_position_embeddings=16,
                                            tie_word_embeddings=True) |
                                       longrope(SIX, SIX_LONG, partial_rotary_factor=0.75), edit=phi_hub, prompt=19),
        "phi3_window": phi3(dict(num_key_value_heads=4, num_hidden_layers=3, sliding_window=5, rms_norm_eps=1e-3, head_dim=6) |
                            rope("default", 500.0), dtype=torch.bfloat16, prompt=17),
        "phi3_longrope_short": phi3(dict(original_max_position_embeddings=32) | longrope(FOUR, FOUR_LONG), edit=phi_hub,
                                    dtype=torch.bfloat16, prompt=13),
        "phi3_crossing": phi3(dict(original_max_position_embeddings=26) | longrope(FOUR, FOUR_LONG, factor=4.0), dtype=torch.bfloat16,
                              prompt=13),
        "olmo2_gqa_untied": olmo2(dict(num_attention_heads=8, num_key_value_heads=4, num_hidden_layers=3), ragged=True),
        "olmo2_head_dim_tied": olmo2(dict(num_key_value_heads=4, head_dim=12, tie_word_embeddings=True, attention_bias=True,
                                          rms_norm_eps=1e-3) | rope("default", 500.0), dtype=torch.bfloat16),
        "olmo2_v4": olmo2(dict(num_key_value_heads=1) | rope("default", 5e5), edit=transformers_4, dtype=torch.bfloat16),
        "smollm3_interval_tied": smollm3(dict(num_hidden_layers=4, no_rope_layer_interval=2, tie_word_embeddings=True), dtype=torch.bfloat16,
                                         ragged=True),
        "smollm3_list_biases": smollm3(dict(num_hidden_layers=3, no_rope_layers=[0, 1, 1, 0], tie_word_embeddings=False, head_dim=12,
                                            num_key_value_heads=1, attention_bias=True, mlp_bias=True), dtype=torch.bfloat16),
        "smollm3_window_v4": smollm3(dict(num_hidden_layers=4, no_rope_layer_interval=2, use_sliding_window=True, sliding_window=5) |
                                     rope("default", 5e6), edit=smollm3_4, dtype=torch.bfloat16, prompt=17),
    } | repeated() | gpt_oss() | deepseek()


def repeated():
    """Layers of different kinds whose pattern occurs twice."""
    local = dict(rope_type="default", rope_theta=10000.0)
    return {
        "gemma3_repeated": (Gemma3TextConfig, SMALL | dict(
            hidden_size=24, head_dim=8, intermediate_size=24, num_hidden_layers=6, num_key_value_heads=1, sliding_window=5,
            query_pre_attn_scalar=8, pad_token_id=0, layer_types=["sliding_attention", "sliding_attention", "full_attention"] * 2,
            rope_parameters=dict(sliding_attention=local, full_attention=local | dict(rope_theta=1e6))), dict(prompt=17, embed=0.1, dtype=torch.bfloat16)),
        "qwen3moe_repeated": (Qwen3MoeConfig, SMALL | dict(
            num_experts=4, num_experts_per_tok=2, moe_intermediate_size=8, head_dim=8, decoder_sparse_step=2, num_hidden_layers=4,
            intermediate_size=20, num_key_value_heads=1, norm_topk_prob=True, tie_word_embeddings=True), dict(steady=True, dtype=torch.bfloat16)),
    }


def gpt_oss():
    base = SMALL | dict(head_dim=8, num_local_experts=4, num_experts_per_tok=2, intermediate_size=10)
    oss = lambda fields, **options: (GptOssConfig, base | fields, dict(steady=True, scales={"gate_up_proj": 2.5}) | options)
    yarn = lambda **kw: rope("yarn", 150000.0, **YARN, **kw)
    return {
        "gptoss_alternating": oss(dict(num_hidden_layers=4, sliding_window=5, vocab_size=53, intermediate_size=8, max_position_embeddings=256) |
                                  yarn(truncate=False), prompt=17, ragged=True, scales={}, std=0.2),
        "gptoss_limits_tied": oss(dict(layer_types=["full_attention", "sliding_attention"], sliding_window=6, head_dim=12, swiglu_limit=1.5,
                                       swiglu_alpha=1.2, num_local_experts=5, num_experts_per_tok=3, num_key_value_heads=1, attention_bias=False,
                                       tie_word_embeddings=True, intermediate_size=14) | rope("default"), dtype=torch.bfloat16, prompt=17),
        "gptoss_hub": oss(dict(num_local_experts=6, num_experts_per_tok=4, sliding_window=4, max_position_embeddings=256) |
                          yarn(truncate=False), edit=gpt_oss_hub, dtype=torch.bfloat16, prompt=13),
        "gptoss_mxfp4": oss(dict(hidden_size=64, intermediate_size=96, num_local_experts=3, sliding_window=8, max_position_embeddings=256) | yarn(truncate=False),
                            edit=gpt_oss_hub, dtype=torch.bfloat16, stored=(pack_mxfp4, dict(
                                quant_method="mxfp4", modules_to_not_convert=[
                                    "model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"])), prompt=13, std=0.18),
    }


def deepseek():
    v3 = lambda fields, **options: (DeepseekV3Config, LATENT | fields, dict(steady=True) | options)
    v2 = lambda fields, **options: (DeepseekV2Config, LATENT | fields, dict(steady=True) | options)
    few = dict(n_routed_experts=4, num_experts_per_tok=2)
    yarn = lambda **kw: dict(max_position_embeddings=256) | rope("yarn", **YARN, **kw)
    fp8 = dict(activation_scheme="dynamic", fmt="e4m3", quant_method="fp8", weight_block_size=[16, 16])
    return {
        "deepseek3_groups": v3(dict(n_group=4, topk_group=2, n_shared_experts=1, routed_scaling_factor=2.5, rms_norm_eps=1e-3, intermediate_size=24),
                               ragged=True),
        "deepseek3_plain_q": v3(few | dict(q_lora_rank=None, rope_interleave=False, n_group=1, topk_group=1, n_shared_experts=2,
                                           norm_topk_prob=False, routed_scaling_factor=1.5, attention_bias=True, tie_word_embeddings=True) |
                                yarn(mscale=0.8, mscale_all_dim=0.4), dtype=torch.bfloat16),
        "deepseek3_hub": v3(dict(n_group=2, topk_group=1, n_routed_experts=6, num_experts_per_tok=2, n_shared_experts=1) |
                            yarn(mscale=1.0, mscale_all_dim=1.0), edit=deepseek3_hub, dtype=torch.bfloat16, prompt=13),
        "deepseek3_fp8": v3(few | dict(n_group=2, topk_group=1, n_shared_experts=1, moe_intermediate_size=16, v_head_dim=8) |
                            yarn(mscale=1.0, mscale_all_dim=1.0), edit=deepseek_4, dtype=torch.bfloat16, stored=(pack_fp8, fp8)),
        "deepseek2_greedy": v2(few | dict(q_lora_rank=None, n_group=1, topk_group=1, n_shared_experts=2, routed_scaling_factor=1.5) |
                               yarn(mscale=0.707, mscale_all_dim=0.707), ragged=True),
        "deepseek2_groups": v2(dict(topk_method="group_limited_greedy", n_group=4, topk_group=2, n_shared_experts=1, routed_scaling_factor=4.0,
                                    rms_norm_eps=1e-3, attention_bias=True, mlp_bias=True, num_hidden_layers=2), dtype=torch.bfloat16),
        "deepseek2_hub": v2(few | dict(q_lora_rank=None, n_group=1, topk_group=1, n_shared_experts=2) | yarn(mscale=0.8, mscale_all_dim=0.4),
                            edit=deepseek2_hub, dtype=torch.bfloat16, prompt=13),
    }


def transformers_4(path, config, tensors):
    """config.json as transformers 4 wrote it: rope_theta and rope_scaling at the top level, torch_dtype."""
    rope = config.pop("rope_parameters", None)
    if rope is not None:
        config["rope_theta"] = rope.pop("rope_theta")
        config["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.46.3"


def phi_hub(path, config, tensors):
    """As Phi-3's files: the lengths and the part that turns stand at the top, the kind of scaling is its `type`."""
    transformers_4(path, config, tensors)
    scaling = config["rope_scaling"]
    scaling["type"] = scaling.pop("rope_type")
    scaling.pop("original_max_position_embeddings")
    config["partial_rotary_factor"] = scaling.pop("partial_rotary_factor")
    config |= dict(attention_bias=False, lm_head_bias=False, mlp_bias=False, interpolate_factor=1, full_attn_mod=1, sliding_window=262144)


def smollm3_4(path, config, tensors):
    """Which layers turn, and which have a window, follows from the interval; that the head is tied, from the family."""
    transformers_4(path, config, tensors)
    for field in ("layer_types", "no_rope_layers", "tie_word_embeddings"):
        config.pop(field)


def gpt_oss_hub(path, config, tensors):
    transformers_4(path, config, tensors)
    config.pop("swiglu_alpha")
    config |= dict(experts_per_token=config["num_experts_per_tok"], initial_context_length=32)


def deepseek_4(path, config, tensors):
    """As DeepSeek's own files: the kind of scaling is its `type`; sizes that follow from others are not there."""
    transformers_4(path, config, tensors)
    scaling = config["rope_scaling"]
    scaling["type"] = scaling.pop("rope_type")
    for field in ("head_dim", "qk_head_dim", "rope_interleave", "pad_token_id", "mlp_bias"):
        config.pop(field, None)
    config |= dict(moe_layer_freq=1, ep_size=1, seq_aux=True, aux_loss_alpha=0.001)
    for name in tensors:
        if name.endswith("e_score_correction_bias"):
            tensors[name] = tensors[name].float()


def deepseek2_hub(path, config, tensors):
    deepseek_4(path, config, tensors)
    config |= dict(scoring_func="softmax")
    config.pop("attention_bias")


def deepseek3_hub(path, config, tensors):
    """Behind the layers stands one that predicts the token after the next, to be ignored."""
    deepseek_4(path, config, tensors)
    config |= dict(scoring_func="sigmoid", topk_method="noaux_tc")
    n, d = config["num_hidden_layers"], config["hidden_size"]
    for name in list(tensors):
        if name.startswith(f"model.layers.{n - 1}.") and ".experts." not in name:
            tensors[name.replace(f".{n - 1}.", f".{n}.", 1)] = tensors[name].clone()
    more = dict(enorm=(d,), hnorm=(d,), eh_proj=(d, 2 * d))
    tensors |= {f"model.layers.{n}.{name}.weight": torch.ones(shape, dtype=torch.bfloat16) for name, shape in more.items()}
    tensors[f"model.layers.{n}.shared_head.norm.weight"] = torch.ones(d, dtype=torch.bfloat16)


def pack_fp8(tensors, block=16):
    """Projections in 8 bits, each block of them with the factor that gives its values back."""
    stored = {}
    for name, x in tensors.items():
        if not name.endswith("_proj.weight") and not name.endswith("_mqa.weight"):
            stored[name] = x
            continue
        rows, columns = x.shape
        padded = torch.zeros(-(-rows // block) * block, -(-columns // block) * block)
        padded[:rows, :columns] = x.float()
        blocks = padded.reshape(padded.shape[0] // block, block, -1, block)
        scale = blocks.abs().amax((1, 3)) / 448
        eighth = (blocks / scale[:, None, :, None]).reshape(padded.shape)[:rows, :columns]
        stored[name] = eighth.to(torch.float8_e4m3fn).contiguous()
        stored[name + "_scale_inv"] = scale
    return stored


def unpack_fp8(stored, block=16):
    plain = {}
    for name, x in stored.items():
        if x.dtype == torch.float8_e4m3fn:
            scale = stored[name + "_scale_inv"].repeat_interleave(block, 0).repeat_interleave(block, 1)
            x = x.float() * scale[:x.shape[0], :x.shape[1]]
        if not name.endswith("_scale_inv"):
            plain[name] = x
    return plain


def pack_mxfp4(tensors):
    """The experts' matrices in 4 bits: output rows, each in groups of 32 with one power of two; the even element in a byte's low half."""
    values = torch.tensor(FP4_VALUES)
    stored = {}
    for name, x in tensors.items():
        if not name.endswith(("gate_up_proj", "down_proj")):
            stored[name] = x
            continue
        groups = x.float().transpose(1, 2).reshape(x.shape[0], x.shape[2], -1, 32)
        exponent = torch.frexp(groups.abs().amax(-1)).exponent - 3   # the largest lies within 4 and 8
        scaled = torch.ldexp(groups, -exponent[..., None])
        nibbles = (scaled[..., None] - values).abs().argmin(-1).to(torch.uint8)
        stored[name + "_blocks"] = nibbles[..., 0::2] | nibbles[..., 1::2] << 4
        stored[name + "_scales"] = (exponent + 127).to(torch.uint8)
    return stored


def unpack_mxfp4(stored):
    plain = {}
    for name, x in stored.items():
        if name.endswith("_blocks"):
            base = name.removesuffix("_blocks")
            plain[base] = convert_moe_packed_tensors(x, stored[base + "_scales"], dtype=torch.float32)
        elif not name.endswith("_scales"):
            plain[name] = x
    return plain


UNPACK = {"fp8": unpack_fp8, "mxfp4": unpack_mxfp4}
