"""Loads with Flax and Orbax what `raxla convert` writes for them, and lets raxla read what they write.

    pip install flax orbax-checkpoint jax safetensors
    cargo build -p raxla-cli
    python scripts/check_flax.py [--binary target/debug/raxla] [--fixtures FOLDER] DIR...

Each DIR is a model's folder, for instance one of graphs/tests/fixtures. Orbax restores the checkpoints of `--format orbax` and
`--format nnx`, flax.serialization the file of `--format flax`: names, shapes and bits are compared with the rules of
docs/flax.md, which stand here a second time. A gpt2 or llama is also computed, by a module of NNX and one of Linen into which the
checkpoints are restored; its logits are compared with those of `raxla logits`. Then these modules get random values, Orbax writes
them, and raxla reads them: logits again.

`--fixtures` keeps what the modules wrote, with their logits, as FOLDER/nnx_gpt2, nnx_llama and linen_llama:

    python scripts/check_flax.py --fixtures graphs/tests/data/checkpoints graphs/tests/data/checkpoints/flax_{gpt2,llama}

Made with flax 0.12.8, orbax-checkpoint 0.12.8 and jax 0.10.2.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import tempfile

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from absl import logging
from flax import nnx, serialization, traverse_util
from safetensors.flax import load_file, save_file

logging.set_verbosity(logging.ERROR)
TOKENS = [3, 5, 7, 11, 2]
# what the modules write has few numbers
SMALL = {"vocab_size": 16, "n_positions": 8, "n_layer": 1, "num_hidden_layers": 1, "torch_dtype": "float32", "dtype": "float32"}
CONV1D = ("c_attn", "c_proj", "c_fc")


# Two models, as trees of layers by Hugging Face's names, and what they compute: `at(layers, i)` is layer i.


def gpt2_tree(c):
    d, f, eps = c["n_embd"], c.get("n_inner") or 4 * c["n_embd"], c["layer_norm_epsilon"]
    linear, norm = lambda i, o: ("linear", i, o, True), ("layer_norm", d, eps)
    layer = {
        "ln_1": norm,
        "attn": {"c_attn": linear(d, 3 * d), "c_proj": linear(d, d)},
        "ln_2": norm,
        "mlp": {"c_fc": linear(d, f), "c_proj": linear(f, d)},
    }
    tree = {"wte": ("embed", c["vocab_size"], d), "wpe": ("embed", c["n_positions"], d), "h": [layer] * c["n_layer"], "ln_f": norm}
    head = {} if c.get("tie_word_embeddings", True) else {"lm_head": ("linear", d, c["vocab_size"], False)}
    return {"transformer": tree, **head}


def gpt2(m, c, tokens, at):
    t = m.transformer
    x = t.wte(tokens) + t.wpe(jnp.arange(len(tokens)))
    for i in range(c["n_layer"]):
        layer = at(t.h, i)
        q, k, v = (part.reshape(len(x), c["n_head"], -1) for part in jnp.split(layer.attn.c_attn(layer.ln_1(x)), 3, -1))
        x = x + layer.attn.c_proj(attend(q, k, v))
        x = x + layer.mlp.c_proj(jax.nn.gelu(layer.mlp.c_fc(layer.ln_2(x)), approximate=True))
    x = t.ln_f(x)
    return t.wte.attend(x) if c.get("tie_word_embeddings", True) else m.lm_head(x)


def llama_sizes(c):
    heads = c["num_attention_heads"]
    return heads, c.get("num_key_value_heads") or heads, c.get("head_dim") or c["hidden_size"] // heads


def llama_tree(c):
    d, f, (h, g, size) = c["hidden_size"], c["intermediate_size"], llama_sizes(c)
    linear = lambda i, o, bias: ("linear", i, o, c.get(bias, False))
    attention = lambda i, o: linear(i, o, "attention_bias")
    norm = ("rms_norm", d, c["rms_norm_eps"])
    layer = {
        "input_layernorm": norm,
        "self_attn": {
            "q_proj": attention(d, h * size),
            "k_proj": attention(d, g * size),
            "v_proj": attention(d, g * size),
            "o_proj": attention(h * size, d),
        },
        "post_attention_layernorm": norm,
        "mlp": {p: linear(i, o, "mlp_bias") for p, i, o in (("gate_proj", d, f), ("up_proj", d, f), ("down_proj", f, d))},
    }
    tree = {"embed_tokens": ("embed", c["vocab_size"], d), "layers": [layer] * c["num_hidden_layers"], "norm": norm}
    head = {} if c.get("tie_word_embeddings") else {"lm_head": ("linear", d, c["vocab_size"], False)}
    return {"model": tree, **head}


def llama(m, c, tokens, at):
    size, theta = llama_sizes(c)[2], rope(c)["rope_theta"]
    x = m.model.embed_tokens(tokens)
    for i in range(c["num_hidden_layers"]):
        layer = at(m.model.layers, i)
        own, y = layer.self_attn, layer.input_layernorm(x)
        q, k, v = (p(y).reshape(len(x), -1, size) for p in (own.q_proj, own.k_proj, own.v_proj))
        x = x + own.o_proj(attend(rotate(q, theta), rotate(k, theta), v))
        y = layer.post_attention_layernorm(x)
        x = x + layer.mlp.down_proj(jax.nn.silu(layer.mlp.gate_proj(y)) * layer.mlp.up_proj(y))
    x = m.model.norm(x)
    return m.model.embed_tokens.attend(x) if c.get("tie_word_embeddings") else m.lm_head(x)


def attend(q, k, v):
    """Causal attention of `[t, heads, head]`, of keys and values perhaps fewer heads."""
    k, v = (jnp.repeat(x, q.shape[1] // x.shape[1], axis=1) for x in (k, v))
    scores = jnp.einsum("qhd,khd->hqk", q, k) / q.shape[-1] ** 0.5
    scores = jnp.where(jnp.tril(jnp.ones(scores.shape[1:], bool)), scores, -jnp.inf)
    return jnp.einsum("hqk,khd->qhd", jax.nn.softmax(scores), v).reshape(len(q), -1)


def rope(c):
    plain = {"rope_type": "default", "rope_theta": c.get("rope_theta", 10000.0)}
    return c.get("rope_parameters") or plain | (c.get("rope_scaling") or {})


def rotate(x, theta):
    half = x.shape[-1] // 2
    angles = jnp.arange(len(x))[:, None] / theta ** (jnp.arange(half) / half)
    cos, sin = jnp.cos(angles)[:, None], jnp.sin(angles)[:, None]
    a, b = x[..., :half], x[..., half:]
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def family(c):
    """The tree and the function of a model that is computed here, or None."""
    if c["model_type"] == "gpt2" and c.get("activation_function", "gelu_new") == "gelu_new" and c.get("scale_attn_weights", True):
        return None if c.get("scale_attn_by_inverse_layer_idx") else (gpt2_tree(c), gpt2)
    if c["model_type"] == "llama" and c.get("hidden_act", "silu") == "silu" and rope(c).get("rope_type") == "default":
        return llama_tree(c), llama
    return None


# The same trees as modules of NNX and of Linen.


class NnxModule(nnx.Module):
    def __init__(self, tree, rngs):
        for name, part in tree.items():
            setattr(self, name, nnx_layer(part, rngs))


def nnx_layer(part, rngs):
    if isinstance(part, dict):
        return NnxModule(part, rngs)
    if isinstance(part, list):
        return nnx.List([nnx_layer(p, rngs) for p in part])
    kind, *sizes = part
    if kind == "linear":
        return nnx.Linear(sizes[0], sizes[1], use_bias=sizes[2], rngs=rngs)
    if kind == "embed":
        return nnx.Embed(*sizes, rngs=rngs)
    return {"layer_norm": nnx.LayerNorm, "rms_norm": nnx.RMSNorm}[kind](sizes[0], epsilon=sizes[1], rngs=rngs)


class LinenModule(nn.Module):
    tree: dict

    def setup(self):
        for name, part in self.tree.items():
            setattr(self, name, linen_layer(part))


def linen_layer(part):
    if isinstance(part, list):
        part = {str(i): p for i, p in enumerate(part)}
    if not isinstance(part, tuple):
        return LinenModule(listless(part))
    kind, *sizes = part
    if kind == "linear":
        return nn.Dense(sizes[1], use_bias=sizes[2])
    if kind == "embed":
        return nn.Embed(*sizes)
    return {"layer_norm": nn.LayerNorm, "rms_norm": nn.RMSNorm}[kind](epsilon=sizes[1])


def listless(part):
    """With dictionaries in place of lists: Linen would make tuples of them."""
    if isinstance(part, list):
        part = {str(i): p for i, p in enumerate(part)}
    return part if isinstance(part, tuple) else {name: listless(p) for name, p in part.items()}


class Nnx:
    """A module of NNX, with a dropout, so that its state has more than parameters."""

    def __init__(self, tree, compute):
        self.module, self.compute = NnxModule(tree, nnx.Rngs(0)), compute
        self.module.dropout = nnx.Dropout(0.1, rngs=nnx.Rngs(1))

    def state(self):
        return nnx.state(self.module, nnx.Param)

    def variables(self):
        return nnx.to_pure_dict(self.state())

    def logits(self, c, variables):
        state = self.state()
        nnx.replace_by_pure_dict(state, variables)
        nnx.update(self.module, state)
        return self.compute(self.module, c, jnp.array(TOKENS), lambda layers, i: layers[i])


class Linen:
    def __init__(self, tree, compute, c):
        self.module, at = LinenModule(listless(tree)), lambda layers, i: getattr(layers, str(i))
        self.init, self.apply = (f(lambda m: compute(m, c, jnp.array(TOKENS), at), self.module) for f in (nn.init, nn.apply))

    def variables(self):
        return self.init(jax.random.key(0))

    def logits(self, c, variables):
        return self.apply(variables)


# Orbax, raxla, and the rules of docs/flax.md.


def save(folder, tree):
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder.resolve(), tree)


def restore(folder, like=None):
    """As numpy arrays, or as those of a tree that it must be."""
    abstract = like and jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
    with ocp.StandardCheckpointer() as checkpointer:
        return checkpointer.restore(folder.resolve(), abstract)


def flax_tree(tensors, transformers):
    """Hugging Face's tensors by the names of Flax's own layers, or of those of transformers 4."""
    tree = {}
    for name, x in tensors.items():
        *path, leaf = name.split(".")
        if leaf == "weight" and x.ndim == 2 and path[-1] in ("embed_tokens", "wte", "wpe"):
            leaf = "embedding"
        elif leaf == "weight" and x.ndim == 2:
            leaf, x = "kernel", x if path[-1] in CONV1D and not transformers else x.T
        elif leaf == "weight" and x.ndim == 1 and (not transformers or path[-1].startswith("ln_")):
            leaf = "scale"
        tree[(*path, leaf)] = np.asarray(x)
    return tree


def parameters(tensors, c):
    """Without what is no parameter, and with the prefix that a bare model lacks."""
    prefix, layers = ("transformer.", "n_layer") if c["model_type"] == "gpt2" else ("model.", "num_hidden_layers")
    if not any(name.startswith(prefix) for name in tensors):
        tensors = {name if name.startswith("lm_head.") else prefix + name: x for name, x in tensors.items()}
    embedding = tensors[f"{prefix}{'wte' if c['model_type'] == 'gpt2' else 'embed_tokens'}.weight"]
    kept = {}
    for name, x in tensors.items():
        number = name.removeprefix("model.layers.").split(".")[0]
        beyond = number.isdigit() and name.startswith("model.layers.") and int(number) >= c[layers]
        tied = name == "lm_head.weight" and np.array_equal(x, embedding) and c.get("tie_word_embeddings")
        mask = name.endswith((".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq"))
        if not (beyond or tied or mask):
            kept[name] = x
    return kept


def same(have, want):
    assert have.keys() == want.keys(), have.keys() ^ want.keys()
    for path, x in want.items():
        y = np.asarray(have[path])
        assert y.dtype == x.dtype and y.shape == x.shape and y.tobytes() == np.ascontiguousarray(x).tobytes(), path


class Check:
    def __init__(self, binary, folder, model):
        self.binary, self.folder, self.model = binary, folder, model
        self.config = json.loads((model / "config.json").read_text())

    def raxla(self, *arguments):
        outcome = subprocess.run([self.binary, *map(str, arguments)], capture_output=True, text=True)
        assert outcome.returncode == 0, outcome.stderr

    def convert(self, format):
        out = self.folder / format
        self.raxla("convert", self.model, out, "--format", format)
        return out

    def deviation(self, model, have):
        out = self.folder / "logits.safetensors"
        self.raxla("logits", "--model", model, "--tokens", ",".join(map(str, TOKENS)), "--out", out)
        want = np.asarray(load_file(out)["logits"], np.float32)[0]
        deviation = float(abs(np.asarray(have, np.float32) - want).max() / want.std())
        assert deviation < 1e-4, deviation
        return f"{deviation:.0e}"

    def written(self):
        """What raxla writes, as Flax and Orbax read it."""
        plain = self.convert("safetensors")
        self.config = json.loads((plain / "config.json").read_text())
        tensors = {k: v for f in sorted(plain.glob("*.safetensors")) for k, v in load_file(f).items()}
        tensors = parameters(tensors, self.config)
        own = flax_tree(tensors, False)
        linen, pure = restore(self.convert("orbax")), restore(self.convert("nnx"))
        assert list(linen) == ["params"]
        same(traverse_util.flatten_dict(linen["params"]), own)
        same(traverse_util.flatten_dict(pure), own)
        packed = serialization.msgpack_restore((self.convert("flax") / "flax_model.msgpack").read_bytes())
        packed = traverse_util.flatten_dict(packed)
        classes = self.config["model_type"] in ("gpt2", "llama", "mistral", "gemma")
        want = flax_tree(tensors, classes)
        if self.config["model_type"] in ("llama", "mistral") and ("lm_head", "kernel") not in want:
            want["lm_head", "kernel"] = want["model", "embed_tokens", "embedding"].T
        same(packed, want)
        return f"{len(own)} arrays equal in orbax, nnx and flax"

    def computed(self, tree, compute):
        """Logits of the modules with the restored values."""
        deviations = []
        for name, m, format in (("nnx", Nnx(tree, compute), "nnx"), ("linen", Linen(tree, compute, self.config), "orbax")):
            like = jax.tree.map(np.asarray, m.variables())
            found = restore(self.folder / format, like)
            as_float = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), found)
            deviations.append(f"{name} {self.deviation(self.folder / format, m.logits(self.config, as_float))}")
        return "logits of the modules: " + ", ".join(deviations)

    def back(self, fixtures):
        """What modules of that kind write, as raxla reads it."""
        config = self.config | SMALL
        tree, compute = family(config)
        own, linen = Nnx(tree, compute), Linen(tree, compute, config)
        keys = iter(jax.random.split(jax.random.key(7), 1000))
        draw = lambda variables: jax.tree.map(lambda x: 0.3 * jax.random.normal(next(keys), x.shape), variables)
        values, variables = draw(own.variables()), draw(linen.variables())
        logits, kind = own.logits(config, values), config["model_type"]
        made = {
            f"nnx_{kind}_pure": (own.variables(), logits),
            f"nnx_{kind}_state": (nnx.state(own.module), logits),
            f"linen_{kind}": ({"params": variables, "step": 3}, linen.logits(config, variables)),
        }
        deviations = []
        for name, (saved, logits) in made.items():
            folder = self.folder / name
            save(folder, saved)
            (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
            deviations.append(f"{name} {self.deviation(folder, logits)}")
            kept = {"nnx_gpt2_pure": "nnx_gpt2", "nnx_llama_state": "nnx_llama", "linen_llama": "linen_llama"}.get(name)
            if fixtures and kept:
                shutil.rmtree(fixtures / kept, ignore_errors=True)
                shutil.copytree(folder, fixtures / kept)
                # (Orbax writes where it was)
                (fixtures / kept / "commit_success.txt").write_text("Checkpoint commit was successful\n")
                save_file({"tokens": np.array(TOKENS, np.int32), "logits": np.asarray(logits)}, fixtures / kept / "logits.reference")
        return "read by raxla: " + ", ".join(deviations)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--binary", default="target/debug/raxla")
    parser.add_argument("--fixtures", type=pathlib.Path)
    a = parser.parse_args()
    for model in a.models:
        with tempfile.TemporaryDirectory() as folder:
            check = Check(a.binary, pathlib.Path(folder), model)
            told = [check.written()]
            if found := family(check.config):
                told += [check.computed(*found), check.back(a.fixtures)]
            print(f"{model.name}: {'; '.join(told)}", flush=True)


main()
