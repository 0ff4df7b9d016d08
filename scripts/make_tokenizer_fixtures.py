"""Makes graphs/tests/data/tokenizer.

    pip install tokenizers sentencepiece gguf
    python scripts/make_tokenizer_fixtures.py

tokenizer/bpe/        a small byte-level BPE in the manner of SmolLM2: tokenizer.json, tokenizer_config.json
tokenizer/gpt2/       the same vocabulary as GPT-2's two files
tokenizer/bpe.gguf    the same tokenizer as GGUF metadata
tokenizer/spm.gguf    a small SentencePiece BPE with byte fallback as GGUF metadata
tokenizer/texts.json  texts with their ids, by `tokenizers` and by `sentencepiece`
"""

import io
import json
import pathlib
import tempfile

import gguf
import sentencepiece
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

OUT = pathlib.Path(__file__).parent.parent / "graphs" / "tests" / "data"
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


def main():
    (OUT / "tokenizer").mkdir(parents=True, exist_ok=True)
    ids = bpe() | spm()
    (OUT / "tokenizer" / "texts.json").write_text(json.dumps({"texts": TEXTS} | ids))


if __name__ == "__main__":
    main()
