"""A tokenizer of a text: byte-level BPE, as GPT-2's, with a vocabulary of its own.

usage: train_tokenizer.py TEXT FOLDER [SIZE]     needs: pip install tokenizers
Writes FOLDER/tokenizer.json, which `model.tokenizer = "FOLDER"` in run.toml names. SIZE is 4096 if not said.
"""
import pathlib
import sys

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

text, folder, size = sys.argv[1], pathlib.Path(sys.argv[2]), int((sys.argv[3:] or ["4096"])[0])
tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
alphabet = pre_tokenizers.ByteLevel.alphabet()
tokenizer.train([text], trainers.BpeTrainer(vocab_size=size, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet))
folder.mkdir(parents=True, exist_ok=True)
tokenizer.save(str(folder / "tokenizer.json"))
(folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>"}\n')
bytes_, ids = pathlib.Path(text).read_bytes(), tokenizer.encode(pathlib.Path(text).read_text()).ids
print(f"{tokenizer.get_vocab_size()} tokens; {len(bytes_)} bytes are {len(ids)} of them")
