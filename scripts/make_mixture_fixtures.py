"""Makes graphs/tests/data/gguf/mixtures.json: what llama-quantize stores each tensor of some models as, by kinds of quantisation.

    pip install gguf numpy
    python scripts/make_mixture_fixtures.py LIBLLAMA

LIBLLAMA is the shared library `llama` of a build of llama.cpp; the others of that build lie beside it. The models are as narrow as the
blocks allow, or too narrow for them; only their shapes count.
"""

import ctypes
import itertools
import json
import pathlib
import sys
import tempfile

import gguf
import numpy as np

OUT = pathlib.Path(__file__).parent.parent / "graphs" / "tests" / "data" / "gguf" / "mixtures.json"
# name: architecture, layers, heads, heads of keys, experts, width, width of the MLP, is there a head of its own
MODELS = {
    "llama": ("llama", 30, 4, 1, 0, 256, 512, True),
    "llama_tied_narrow": ("llama", 12, 2, 2, 0, 64, 96, False),
    "llama_odd": ("llama", 2, 2, 1, 0, 256, 288, False),
    "llama_80": ("llama", 80, 8, 1, 0, 256, 256, True),
    "qwen2_80": ("qwen2", 80, 2, 2, 0, 256, 256, True),
    "mixtral": ("llama", 9, 4, 2, 8, 256, 256, True),
    "qwen3moe": ("qwen3moe", 8, 4, 2, 4, 256, 256, True),
    "gemma2": ("gemma2", 26, 4, 2, 0, 256, 256, False),
    "gpt2": ("gpt2", 12, 4, 4, 0, 256, 1024, False),
}  # fmt: skip
# `llama_ftype` by name
TYPES = {
    "f32": 0, "f16": 1, "bf16": 32, "q8_0": 7, "q4_0": 2, "q4_1": 3, "q5_0": 8, "q5_1": 9, "iq4_nl": 25, "iq4_xs": 30, "q2_k": 10,
    "q3_k_s": 11, "q3_k_m": 12, "q3_k_l": 13, "q4_k_s": 14, "q4_k_m": 15, "q5_k_s": 16, "q5_k_m": 17, "q6_k": 18,
}  # fmt: skip


class Params(ctypes.Structure):
    """`llama_model_quantize_params`; what comes behind is left as the library's defaults have it."""

    _fields_ = [("nthread", ctypes.c_int32), ("ftype", ctypes.c_int), ("rest", ctypes.c_uint8 * 120)]


def tensors(arch, layers, heads, kv, experts, d, ffn, own_head):
    v, k = 32, d // heads
    yield "token_embd.weight", (v, d)
    yield "output_norm.weight", (d,)
    if arch == "gpt2":
        yield "position_embd.weight", (64, d)
        yield "output_norm.bias", (d,)
    if own_head:
        yield "output.weight", (v, d)
    for i in range(layers):
        b = f"blk.{i}."
        norms = ["attn_norm", "ffn_norm"] + (["post_attention_norm", "post_ffw_norm"] if arch == "gemma2" else [])
        norms += ["attn_q_norm", "attn_k_norm"] if arch == "qwen3moe" else []
        for n in norms:
            yield f"{b}{n}.weight", (k if n.endswith("_norm") and n.startswith("attn_") and n != "attn_norm" else d,)
        if arch == "gpt2":
            yield b + "attn_qkv.weight", (3 * d, d)
            yield b + "attn_output.weight", (d, d)
            yield b + "ffn_up.weight", (ffn, d)
            yield b + "ffn_down.weight", (d, ffn)
            for n, s in (("attn_norm", d), ("ffn_norm", d), ("attn_qkv", 3 * d), ("attn_output", d), ("ffn_up", ffn), ("ffn_down", d)):
                yield f"{b}{n}.bias", (s,)
            continue
        yield b + "attn_q.weight", (heads * k, d)
        yield b + "attn_k.weight", (kv * k, d)
        yield b + "attn_v.weight", (kv * k, d)
        yield b + "attn_output.weight", (d, heads * k)
        if arch == "qwen2":
            for n, s in (("q", heads), ("k", kv), ("v", kv)):
                yield f"{b}attn_{n}.bias", (s * k,)
        if experts:
            yield b + "ffn_gate_inp.weight", (experts, d)
            yield b + "ffn_gate_exps.weight", (experts, ffn, d)
            yield b + "ffn_up_exps.weight", (experts, ffn, d)
            yield b + "ffn_down_exps.weight", (experts, d, ffn)
        else:
            yield b + "ffn_gate.weight", (ffn, d)
            yield b + "ffn_up.weight", (ffn, d)
            yield b + "ffn_down.weight", (d, ffn)


def write(path, model):
    arch, layers, heads, kv, experts, d, ffn, _ = model
    w = gguf.GGUFWriter(path, arch)
    w.add_block_count(layers)
    w.add_context_length(64)
    w.add_embedding_length(d)
    w.add_feed_forward_length(ffn)
    w.add_head_count(heads)
    w.add_head_count_kv(kv)
    w.add_layer_norm_eps(1e-5) if arch == "gpt2" else w.add_layer_norm_rms_eps(1e-5)
    if experts:
        w.add_expert_count(experts)
        w.add_expert_used_count(2)
        w.add_expert_feed_forward_length(ffn)
    if arch == "gemma2":
        w.add_sliding_window(16)
        w.add_attn_logit_softcapping(50.0)
        w.add_final_logit_softcapping(30.0)
    w.add_tokenizer_model("none")
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, 1 << 22).astype(np.float32)
    for name, shape in tensors(*model):
        w.add_tensor(name, noise[: int(np.prod(shape))].reshape(shape))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def stored(path):
    return {t.name: t.tensor_type.name for t in gguf.GGUFReader(path).tensors}


def by_part(types):
    """Of each part of a layer the types in their order, as `Q6_K*2 Q4_K*3`; of what is outside the layers its own."""
    parts = {}
    for name, kind in types.items():
        layer, _, part = name.removeprefix("blk.").partition(".")
        if kind != "F32" or not name.endswith(("norm.weight", ".bias")):
            parts.setdefault(part if name.startswith("blk.") else name, {})[int(layer) if name.startswith("blk.") else 0] = kind
    runs = lambda layers: " ".join(f"{k}*{len(list(g))}" for k, g in itertools.groupby(layers[i] for i in sorted(layers)))
    return {part: runs(layers) for part, layers in parts.items()}


def main():
    lib = ctypes.CDLL(sys.argv[1])
    lib.llama_model_quantize_default_params.restype = Params
    lib.llama_backend_init()
    out = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, model in MODELS.items():
            source = f"{folder}/{name}.gguf"
            write(source, model)
            own = stored(source)
            kinds = {}
            for kind, number in TYPES.items():
                params = lib.llama_model_quantize_default_params()
                params.nthread, params.ftype = 2, number
                target = f"{folder}/out.gguf"
                if lib.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(params)) == 0:
                    kinds[kind] = by_part(stored(target))
            keys = ("architecture", "layers", "heads", "kv_heads", "experts", "width", "ffn", "own_head")
            shapes = {n: s for n, s in ((t, list(s)) for t, s in tensors(*model)) if not n.startswith("blk.") or n.startswith("blk.0.")}
            out[name] = {**dict(zip(keys, model)), "shapes": shapes, "tensors": kinds}
            print(name, len(own), "tensors", len(kinds), "kinds")
    OUT.write_text(json.dumps(out, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
