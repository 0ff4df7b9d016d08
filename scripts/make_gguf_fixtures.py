"""Makes graphs/tests/data/gguf: small GGUF files and what they must be read as.

    pip install gguf safetensors numpy torch
    python scripts/make_gguf_fixtures.py

blocks.gguf         one tensor of random blocks per ggml type; blocks.safetensors holds their values by `gguf.quants`
llama.gguf, llama/  the same LLaMA, as llama.cpp's converter writes it and as transformers does (config.json, F16 weights)
gpt2.gguf, gpt2/    the same for GPT-2
families/           checkpoints of graphs/tests/fixtures, by the rules of llama.cpp's convert_hf_to_gguf.py: matrices in 16 bits, the
                    rest as F32. Names are those of the package gguf.
"""

import json
import pathlib

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import save_file
from safetensors.torch import load_file

OUT = pathlib.Path(__file__).parent.parent / "graphs" / "tests" / "data" / "gguf"
# Where the f16 scales of a block are, in bytes: random bytes there would be infinities and NaNs.
SCALES = {
    Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0],
    Type.Q2_K: [80, 82], Type.Q3_K: [108], Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208], Type.IQ4_NL: [0], Type.IQ4_XS: [0],
    Type.MXFP4: [],
}  # fmt: skip


def write(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def blocks(rng):
    writer = gguf.GGUFWriter(OUT / "blocks.gguf", "none")
    values = {}
    for kind in [Type.F32, Type.F16, Type.BF16, *SCALES]:
        if kind == Type.IQ4_NL:
            rng = np.random.default_rng(1)  # (the models that follow draw what they drew before)
        shape = (3, 512)
        if kind in SCALES:
            per_block, size = gguf.GGML_QUANT_SIZES[kind]
            data = rng.integers(0, 256, (shape[0], shape[1] // per_block, size), dtype=np.uint8)
            for at in SCALES[kind]:
                scales = rng.normal(0, 0.1, data.shape[:2]).astype(np.float16)
                data[..., at : at + 2] = scales[..., None].view(np.uint8)
            if kind == Type.MXFP4:
                data[..., 0] = rng.integers(110, 140, data.shape[:2])  # exponents, from 0 to 3 among them
                data[0, :4, 0] = range(4)
            data = data.reshape(shape[0], -1)
        else:
            data = gguf.quants.quantize(rng.normal(0, 1, shape).astype(np.float32), kind)
        writer.add_tensor(kind.name, data, raw_dtype=kind)
        values[kind.name] = np.ascontiguousarray(gguf.quants.dequantize(data, kind), dtype=np.float32)
    write(writer)
    save_file(values, OUT / "blocks.safetensors")


def permute(weight, heads):
    """What llama.cpp's converter does to queries and keys."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def model(rng, name, shapes, config, fill, translate):
    tensors = {n: rng.normal(0, 0.2, s).astype(np.float16) for n, s in shapes.items()}
    folder = OUT / name
    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    writer = gguf.GGUFWriter(OUT / f"{name}.gguf", name)
    fill(writer)
    for hf, tensor in tensors.items():
        own, tensor = translate(hf, tensor)
        # Matrices as F16, vectors as F32, as converters do.
        writer.add_tensor(own, np.ascontiguousarray(tensor if tensor.ndim > 1 else tensor.astype(np.float32)))
    if name == "llama":
        writer.add_tensor("rope_freqs.weight", np.array([1, 1, 2.5, 8], dtype=np.float32))
    write(writer)


def llama(rng):
    d, ffn, heads, kv, head, vocab, layers = 32, 48, 4, 2, 8, 20, 2
    shapes = {"model.embed_tokens.weight": (vocab, d), "model.norm.weight": (d,), "lm_head.weight": (vocab, d)}
    for i in range(layers):
        p = f"model.layers.{i}."
        shapes |= {
            p + "input_layernorm.weight": (d,), p + "post_attention_layernorm.weight": (d,),
            p + "self_attn.q_proj.weight": (heads * head, d), p + "self_attn.q_proj.bias": (heads * head,),
            p + "self_attn.k_proj.weight": (kv * head, d), p + "self_attn.k_proj.bias": (kv * head,),
            p + "self_attn.v_proj.weight": (kv * head, d), p + "self_attn.v_proj.bias": (kv * head,),
            p + "self_attn.o_proj.weight": (d, heads * head), p + "self_attn.o_proj.bias": (d,),
            p + "mlp.gate_proj.weight": (ffn, d), p + "mlp.up_proj.weight": (ffn, d), p + "mlp.down_proj.weight": (d, ffn),
        }  # fmt: skip
    config = {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": vocab, "hidden_size": d,
        "intermediate_size": ffn, "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv,
        "head_dim": head, "max_position_embeddings": 128, "rms_norm_eps": 1e-6, "rope_theta": 50000.0,
        "hidden_act": "silu", "tie_word_embeddings": False, "attention_bias": True, "mlp_bias": False,
        "bos_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip

    def fill(w):
        w.add_block_count(layers)
        w.add_context_length(128)
        w.add_embedding_length(d)
        w.add_feed_forward_length(ffn)
        w.add_head_count(heads)
        w.add_head_count_kv(kv)
        w.add_layer_norm_rms_eps(1e-6)
        w.add_rope_freq_base(50000.0)
        w.add_rope_dimension_count(head)
        w.add_bos_token_id(1)
        w.add_eos_token_id(2)

    names = {
        "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    }  # fmt: skip
    outside = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}

    def translate(hf, tensor):
        if hf in outside:
            return outside[hf], tensor
        _, _, layer, rest = hf.split(".", 3)
        stem, kind = rest.rsplit(".", 1)
        if stem in ("self_attn.q_proj", "self_attn.k_proj"):
            tensor = permute(tensor, heads if stem.endswith("q_proj") else kv)
        return f"blk.{layer}.{names[stem]}.{kind}", tensor

    model(rng, "llama", shapes, config, fill, translate)


def gpt2(rng):
    d, ffn, heads, vocab, positions, layers = 16, 40, 2, 20, 24, 2
    shapes = {"wte.weight": (vocab, d), "wpe.weight": (positions, d), "ln_f.weight": (d,), "ln_f.bias": (d,)}
    for i in range(layers):
        p = f"h.{i}."
        for ln in ("ln_1", "ln_2"):
            shapes |= {p + ln + ".weight": (d,), p + ln + ".bias": (d,)}
        for linear, shape in {"attn.c_attn": (d, 3 * d), "attn.c_proj": (d, d), "mlp.c_fc": (d, ffn), "mlp.c_proj": (ffn, d)}.items():
            shapes |= {f"{p}{linear}.weight": shape, f"{p}{linear}.bias": shape[1:]}
    config = {
        "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": vocab, "n_embd": d, "n_inner": ffn,
        "n_layer": layers, "n_head": heads, "n_positions": positions, "layer_norm_epsilon": 1e-5,
        "activation_function": "gelu_new", "tie_word_embeddings": True,
    }  # fmt: skip

    def fill(w):
        w.add_block_count(layers)
        w.add_context_length(positions)
        w.add_embedding_length(d)
        w.add_feed_forward_length(ffn)
        w.add_head_count(heads)
        w.add_layer_norm_eps(1e-5)

    names = {"ln_1": "attn_norm", "ln_2": "ffn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
    outside = {"wte": "token_embd", "wpe": "position_embd", "ln_f": "output_norm"}

    def translate(hf, tensor):
        stem, kind = hf.rsplit(".", 1)
        if stem in outside:
            return f"{outside[stem]}.{kind}", tensor
        _, layer, stem = stem.split(".", 2)
        # The converter turns Conv1D into linear layers; `.T` of a bias is the bias.
        return f"blk.{layer}.{names[stem]}.{kind}", tensor.T

    model(rng, "gpt2", shapes, config, fill, translate)


FIXTURES = OUT.parent.parent / "fixtures"
# checkpoint: the architecture's name in GGUF files
FAMILIES = {
    "llama_v4": "llama", "mistral_head_dim_tied": "llama", "mixtral_top2": "llama", "qwen2_tied": "qwen2", "qwen3_head_dim": "qwen3",
    "qwen3moe_top3": "qwen3moe", "gemma_tied": "gemma", "gemma2_windows": "gemma2", "gemma3_pattern": "gemma3",
}  # fmt: skip
EXPERTS = {
    "w1": "ffn_gate_exps", "w2": "ffn_down_exps", "w3": "ffn_up_exps",
    "gate_proj": "ffn_gate_exps", "down_proj": "ffn_down_exps", "up_proj": "ffn_up_exps",
}  # fmt: skip


def rope_of(config):
    """The parameters of the rotary embedding (of the global layers), in either dialect of transformers."""
    rope = config.get("rope_parameters") or dict(config.get("rope_scaling") or {}, rope_theta=config.get("rope_theta", 10000.0))
    return rope.get("full_attention", rope)


def header(w, arch, c):
    """What `set_gguf_parameters` of the family's class writes."""
    w.add_block_count(c["num_hidden_layers"])
    w.add_context_length(c["max_position_embeddings"])
    w.add_embedding_length(c["hidden_size"])
    w.add_feed_forward_length(c["intermediate_size"])
    w.add_head_count(c["num_attention_heads"])
    w.add_head_count_kv(c["num_key_value_heads"])
    w.add_layer_norm_rms_eps(c["rms_norm_eps"])
    w.add_vocab_size(c["vocab_size"])
    w.add_bos_token_id(c["bos_token_id"])
    w.add_eos_token_id(c["eos_token_id"])
    head = c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"]
    if c.get("head_dim"):
        w.add_key_length(head)
        w.add_value_length(head)
    rope = rope_of(c)
    if arch not in ("gemma", "gemma2"):
        w.add_rope_freq_base(rope["rope_theta"])
    if arch == "llama":
        w.add_rope_dimension_count(head)
    if rope.get("rope_type") == "linear":
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(rope["factor"])
    experts = c.get("num_local_experts") or c.get("num_experts")
    if experts:
        w.add_expert_count(experts)
        w.add_expert_used_count(c["num_experts_per_tok"])
    if arch == "qwen3moe":
        w.add_expert_feed_forward_length(c["moe_intermediate_size"])
    if arch == "gemma2":
        w.add_attn_logit_softcapping(c["attn_logit_softcapping"])
        w.add_final_logit_softcapping(c["final_logit_softcapping"])
    if arch in ("gemma2", "gemma3"):
        w.add_sliding_window(c["sliding_window"])


def rope_freqs(c):
    """The divisors of the frequencies that LLaMA 3's scaling means."""
    rope = rope_of(c)
    if rope.get("rope_type") != "llama3":
        return None
    dim = c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"]
    freqs = 1.0 / (rope["rope_theta"] ** (torch.arange(0, dim, 2, dtype=torch.float32) / dim))
    low, high, old = rope["low_freq_factor"], rope["high_freq_factor"], rope["original_max_position_embeddings"]
    factors = []
    for freq in freqs:
        wavelength = 2 * np.pi / freq
        if wavelength < old / high:
            factors.append(1)
        elif wavelength > old / low:
            factors.append(rope["factor"])
        else:
            smooth = (old / wavelength - low) / (high - low)
            factors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(factors, dtype=np.float32)


def family(name, arch):
    c = json.loads((FIXTURES / name / "config.json").read_text())
    tensors = load_file(FIXTURES / name / "model.safetensors")
    writer = gguf.GGUFWriter(OUT / "families" / f"{name}.gguf", arch)
    header(writer, arch, c)
    kind = {v: k for k, v in gguf.MODEL_ARCH_NAMES.items()}[arch]
    names = gguf.get_tensor_name_map(kind, c["num_hidden_layers"])
    stacks = {}

    def add(own, tensor):
        wide = tensor.to(torch.float32).numpy()
        writer.add_tensor(own, np.ascontiguousarray(wide.astype(np.float16) if wide.ndim > 1 else wide))

    if (factors := rope_freqs(c)) is not None:
        writer.add_tensor("rope_freqs.weight", factors)
    for hf, tensor in tensors.items():
        if ".experts." in hf:
            _, _, layer, _, _, expert, matrix, _ = hf.split(".")
            stacks.setdefault(f"blk.{layer}.{EXPERTS[matrix]}.weight", {})[int(expert)] = tensor
            continue
        if arch == "llama" and "self_attn.q_proj" in hf:
            tensor = permute(tensor.to(torch.float32).numpy(), c["num_attention_heads"])
            tensor = torch.from_numpy(np.ascontiguousarray(tensor))
        if arch == "llama" and "self_attn.k_proj" in hf:
            tensor = permute(tensor.to(torch.float32).numpy(), c["num_key_value_heads"])
            tensor = torch.from_numpy(np.ascontiguousarray(tensor))
        if arch.startswith("gemma") and hf.endswith("norm.weight"):
            tensor = tensor.to(torch.float32) + 1
        if arch.startswith("gemma") and hf == "lm_head.weight":
            continue
        own = names.get_name(hf, try_suffixes=(".weight", ".bias"))
        add(own, tensor)
    for own, stack in stacks.items():
        add(own, torch.stack([stack[i] for i in range(len(stack))]))
    write(writer)


def main():
    (OUT / "families").mkdir(parents=True, exist_ok=True)
    for name, arch in FAMILIES.items():
        family(name, arch)
    OUT.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    blocks(rng)
    llama(rng)
    gpt2(rng)


if __name__ == "__main__":
    main()
