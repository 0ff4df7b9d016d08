"""Makes graphs/tests/data/tokenizer.

    pip install tokenizers sentencepiece protobuf gguf transformers
    python scripts/make_tokenizer_fixtures.py

tokenizer/bpe/        a small byte-level BPE in the manner of SmolLM2: tokenizer.json, tokenizer_config.json
tokenizer/gpt2/       the same vocabulary as GPT-2's two files
tokenizer/bpe.gguf    the same tokenizer as GGUF metadata
tokenizer/spm.gguf    a small SentencePiece BPE with byte fallback as GGUF metadata
tokenizer/texts.json  texts with their ids, by `tokenizers` and by `sentencepiece`
tokenizer/awkward/    more tokenizers, and texts.json: 200 awkward texts with their ids
    unigram/, unigram_bytes/, llama/, gemma/     SentencePiece's tokenizer.model: unigram with rules that normalize and with pieces
                      of the user's; unigram with byte fallback; BPE in the manner of LLaMA; BPE in that of Gemma (no space
                      before the first word, runs of spaces and tabs as pieces); llama.gguf and gemma.gguf are the same
    llama3/, llama3.gguf, tekken.gguf, qwen2/     byte-level BPE in these manners: tokenizer.json, GGUF metadata, vocab.json with merges.txt
"""

import contextlib
import io
import json
import pathlib
import random
import re
import shutil
import tempfile

import gguf
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer

OUT = pathlib.Path(__file__).resolve().parent.parent / "graphs" / "tests" / "data"
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
# The beginning of the Gospel of John, King James Version, and of the Declaration of Independence: public domain.
CORPUS = """In the beginning was the Word, and the Word was with God, and the Word was God. The same was in the beginning with God.
All things were made by him; and without him was not any thing made that was made. In him was life; and the life was the light
of men. And the light shineth in darkness; and the darkness comprehended it not. There was a man sent from God, whose name was
John. The same came for a witness, to bear witness of the Light, that all men through him might believe.
When in the Course of human events, it becomes necessary for one people to dissolve the political bands which have connected
them with another, and to assume among the powers of the earth, the separate and equal station to which the Laws of Nature and
of Nature's God entitle them, a decent respect to the opinions of mankind requires that they should declare the causes which
impel them to the separation. We hold these truths to be self-evident, that all men are created equal, that they are endowed by
their Creator with certain unalienable Rights, that among these are Life, Liberty and the pursuit of Happiness.""".split("\n")
TEXTS = [
    "", " ", "the light", "In the beginning was the Word", "  two  spaces\n\nand lines\t", "1776, 12345 and 3.14", "don't they'll",
    "naïve café", "日本語 and 한국어", "🦀👩‍👩‍👧", "<|im_start|>user\nHello<|im_end|>\n", "a<|endoftext|>b", "\u200bzero\ufeff", "e\u0301",
]  # fmt: skip


def bpe():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=SPECIAL, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    # Settings that training leaves behind must not matter.
    tokenizer.enable_truncation(5)
    folder = OUT / "tokenizer" / "bpe"
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    tokenizer.no_truncation()
    config = {
        "bos_token": "<|im_start|>", "eos_token": {"__type": "AddedToken", "content": "<|im_end|>"}, "pad_token": "<|im_end|>",
        "chat_template": [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "{{ messages[0].content }}"}],
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1))
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "eos_token_id": 1}))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [0, 2]}))

    definition = json.loads(tokenizer.to_str())["model"]
    gpt2 = OUT / "tokenizer" / "gpt2"
    gpt2.mkdir(exist_ok=True)
    (gpt2 / "vocab.json").write_text(json.dumps(definition["vocab"]))
    merges = [" ".join(m) for m in definition["merges"]]
    (gpt2 / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    plain = Tokenizer(models.BPE.from_file(str(gpt2 / "vocab.json"), str(gpt2 / "merges.txt")))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.add_special_tokens([AddedToken("<|endoftext|>", special=True, normalized=False)])

    writer = gguf.GGUFWriter(OUT / "tokenizer" / "bpe.gguf", "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    tokens = sorted(definition["vocab"], key=definition["vocab"].get)
    writer.add_token_list(tokens)
    writer.add_token_types([3 if t in SPECIAL else 1 for t in tokens])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_eot_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_chat_template("{{ messages[0].content }}")
    write(writer)
    return {"bpe": [tokenizer.encode(t).ids for t in TEXTS], "gpt2": [plain.encode(t).ids for t in TEXTS]}


def write(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def spm():
    with tempfile.TemporaryDirectory() as scratch:
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS), model_writer=model, model_type="bpe", vocab_size=420, byte_fallback=True,
            character_coverage=1.0, normalization_rule_name="identity", remove_extra_whitespaces=False, minloglevel=2,
        )  # fmt: skip
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    ids = range(processor.get_piece_size())
    kind = lambda i: 2 if processor.is_unknown(i) else 3 if processor.is_control(i) else 6 if processor.is_byte(i) else 1
    writer = gguf.GGUFWriter(OUT / "tokenizer" / "spm.gguf", "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list([processor.id_to_piece(i) for i in ids])
    writer.add_token_scores([processor.get_score(i) for i in ids])
    writer.add_token_types([kind(i) for i in ids])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    write(writer)
    return {"spm": [[1, *processor.encode(t)] for t in TEXTS]}


WORDS = "the of and Light light God 1776 12,345.678 don't THEY'LL I'm café naïve Ünï \u65e5\u672c\u8a9e\u306e\u6587 \ud55c\uad6d\uc5b4 \u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd x=y+1; fn(a,b){} \u00bd \ufb01n \uff21\uff22 e\u0301 \u0915\u094d\u0937".split(" ")
SPACES = [" ", "  ", "   ", "\t", "\t\t", "\n", "\n\n", "\r\n", "\u00a0", "\u3000", "\u2009", "\u200b", "", " \n ", "\u2581"]
RARE = ["\U0001f980", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f44d\U0001f3fd", "\u0000", "\u0007", "\u001b[0m", "\ufeff", "\ufffd", "\u202e", "\U0010ffff", "<s>", "</s>", "<unk>", "<0x41>", "<|im_end|>", "<tool>", "<pad>", "<|x|>", "...", "----", "(())", "'s", "\u2019s"]


def awkward():
    """200 texts."""
    rng = random.Random(7)
    code = "def f(x):\n    if x > 0:\n\treturn x ** 2  # \u03c0\n\n\nclass A: pass\n"
    texts = ["", " ", "  ", "\n", "\t", "\u0000", "\u2581", "\u2581a \u2581", " a", "a ", "  a  b  ", "<s>", "a<s>b", "<s> a </s> b", "<tool>x<tool> <tool>", "<unk>", "<0x41>",
             code, code.replace("    ", "\t"), "0123456789" * 3, "3.14159 1,000,000 0x1F 1e-5", "A" * 300, "ab " * 200, "\U0001f980" * 5, *WORDS, *RARE, *SPACES[:-1]]  # fmt: skip
    while len(texts) < 200:
        n = rng.randrange(2, 9)
        texts.append("".join(rng.choice(rng.choice([WORDS, WORDS, SPACES, RARE])) + rng.choice(["", "", " ", rng.choice(SPACES)]) for _ in range(n)))
    return texts[:200]


RULES = {"\uff21": "A", "\uff22": "B", "\ufb01": "fi", "\u00bd": "1/2", "\t": " ", "\n": " ", "\r": " ", "\u00a0": " ", "\u3000": " ", "e\u0301": "\u00e9", "\u200b": "", "\ufeff": ""}
# The text has little of what makes tokenizers differ: the words stand in for more.
MORE = [" ".join(WORDS)] * 20 + ["\t\tx", "\t\ty"] * 20
MODELS = {
    "unigram": dict(model_type="unigram", vocab_size=330, user_defined_symbols=["<tool>"], control_symbols=["<|x|>"]),
    "unigram_bytes": dict(model_type="unigram", vocab_size=560, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False),
    "llama": dict(model_type="bpe", vocab_size=480, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
                  split_digits=True, user_defined_symbols=["<tool>"], control_symbols=["<|x|>"]),
    "gemma": dict(model_type="bpe", vocab_size=500, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
                  add_dummy_prefix=False, user_defined_symbols=["\u2581\u2581", "\u2581\u2581\u2581", "\n\n", "\t\t"], pad_id=0, eos_id=1, bos_id=2, unk_id=3),
}  # fmt: skip


def sentencepiece_ids(processor, texts, bos, user):
    """As transformers' slow tokenizers: special tokens are found first, the texts between them are encoded alone."""
    ids = range(processor.get_piece_size())
    special = [processor.id_to_piece(i) for i in ids if processor.is_control(i) or processor.is_unknown(i)] + user
    split = re.compile("(" + "|".join(map(re.escape, special)) + ")")
    one = lambda part: [processor.piece_to_id(part)] if part in special else processor.encode(part)
    # A unigram model of the crate `tokenizers` finds the names of bytes in a text, in transformers too.
    apart = lambda t: processor.is_byte(processor.piece_to_id("<0x41>")) and not bos and "<0x41>" in t
    return [None if apart(t) else ([processor.bos_id()] if bos else []) + sum((one(p) for p in split.split(t)), []) for t in texts]


def sentencepiece_models(texts):
    expected = {}
    for name, options in MODELS.items():
        folder = OUT / "tokenizer" / "awkward" / name
        folder.mkdir(parents=True, exist_ok=True)
        # (the model keeps the name of the file)
        with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
            code = lambda s: " ".join(f"{ord(c):X}" for c in s)
            pathlib.Path("rules.tsv").write_text("".join(f"{code(a)}\t{code(b)}\n" for a, b in RULES.items()))
            if "normalization_rule_name" not in options:
                options = options | {"normalization_rule_tsv": "rules.tsv"}
            model = io.BytesIO()
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(CORPUS + MORE), model_writer=model, character_coverage=0.995, minloglevel=2, hard_vocab_limit=False, **options
            )  # fmt: skip
        (folder / "tokenizer.model").write_bytes(model.getvalue())
        processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        expected[name] = sentencepiece_ids(processor, texts, options["model_type"] == "bpe", ["<tool>"] if "<tool>" in options.get("user_defined_symbols", []) else [])
        if options["model_type"] == "bpe":
            write_sentencepiece_gguf(OUT / "tokenizer" / "awkward" / f"{name}.gguf", processor, model.getvalue(), options.get("add_dummy_prefix", True))
    return expected


def by_transformers(model, texts):
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copy(model, scratch)
        config = {"tokenizer_class": "LlamaTokenizer", "legacy": False, "add_bos_token": True}
        (pathlib.Path(scratch) / "tokenizer_config.json").write_text(json.dumps(config))
        tokenizer = AutoTokenizer.from_pretrained(scratch)
        return [tokenizer(t)["input_ids"] for t in texts]


def write_sentencepiece_gguf(path, processor, proto, prefix):
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(proto)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([p.piece for p in model.pieces])
    writer.add_token_scores([p.score for p in model.pieces])
    writer.add_token_types([p.type for p in model.pieces])
    writer.add_bos_token_id(processor.bos_id())
    writer.add_eos_token_id(processor.eos_id())
    writer.add_unk_token_id(processor.unk_id())
    writer.add_add_space_prefix(prefix)
    write(writer)


def write_qwen2(definition, special, first):
    folder = OUT / "tokenizer" / "awkward" / "qwen2"
    folder.mkdir(parents=True, exist_ok=True)
    flags = dict(special=True, normalized=False, lstrip=False, rstrip=False, single_word=False)
    config = {
        "tokenizer_class": "Qwen2Tokenizer", "add_bos_token": False, "eos_token": "<|im_end|>",
        "added_tokens_decoder": {str(first + i): {"content": t} | flags for i, t in enumerate(special)},
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
    (folder / "vocab.json").write_text(json.dumps(definition["vocab"], ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in definition["merges"]))


def write_byte_level_gguf(name, definition, special, first):
    tokens = sorted(definition["vocab"], key=definition["vocab"].get)
    writer = gguf.GGUFWriter(OUT / "tokenizer" / "awkward" / f"{name}.gguf", "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe" if name == "llama3" else name)
    writer.add_token_list(tokens + special)
    writer.add_token_types([1] * len(tokens) + [3] * len(special))
    writer.add_token_merges([" ".join(m) for m in definition["merges"]])
    writer.add_bos_token_id(first)
    writer.add_eos_token_id(first + 2)
    write(writer)


def byte_level_models(texts):
    word = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    letters = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
    expected = {}
    upper, lower = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
    tekken = rf"[^\r\n\p{{L}}\p{{N}}]?{upper}*{lower}+|[^\r\n\p{{L}}\p{{N}}]?{upper}+{lower}*|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    patterns = {"llama3": f"{letters}|\\p{{N}}{{1,3}}|{word}", "qwen2": f"{letters}|\\p{{N}}|{word}", "tekken": tekken}
    for name, pattern in patterns.items():
        tokenizer = Tokenizer(models.BPE(ignore_merges=name != "qwen2"))
        if name == "qwen2":
            tokenizer.normalizer = normalizers.NFC()
        split = pre_tokenizers.Split(Regex(pattern), "isolated", invert=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(vocab_size=500, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False)
        tokenizer.train_from_iterator(CORPUS + MORE, trainer)
        definition = json.loads(tokenizer.to_str())["model"]
        special = ["<s>", "</s>", "<|im_end|>", "<|x|>"]
        tokenizer.add_special_tokens(special)
        first = tokenizer.token_to_id("<s>")
        if name == "qwen2":
            write_qwen2(definition, special, first)
        else:
            tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", first)])
            write_byte_level_gguf(name, definition, special, first)
        if name == "llama3":
            folder = OUT / "tokenizer" / "awkward" / name
            folder.mkdir(parents=True, exist_ok=True)
            tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
            (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "<|im_end|>"}) + "\n")
        expected[name] = [tokenizer.encode(t).ids for t in texts]
    return expected


def main():
    (OUT / "tokenizer").mkdir(parents=True, exist_ok=True)
    texts = awkward()
    folder = OUT / "tokenizer" / "awkward"
    folder.mkdir(exist_ok=True)
    rows = {"texts": texts} | sentencepiece_models(texts) | byte_level_models(texts)
    rows["llama, not legacy"] = by_transformers(folder / "llama" / "tokenizer.model", texts)
    (folder / "texts.json").write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in rows.items()) + "\n}\n")
    ids = bpe() | spm()
    (OUT / "tokenizer" / "texts.json").write_text(json.dumps({"texts": TEXTS} | ids))


if __name__ == "__main__":
    main()
