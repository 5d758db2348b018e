#!/usr/bin/env bash
# transformers 5.23.0: AutoTokenizer ignores the pre_tokenizer of a tokenizer.json where config.json says model_type
# "qwen2", although tokenizer_config.json asks for the plain PreTrainedTokenizerFast: it takes vocabulary and merges
# alone, and splits as Qwen2 does. "x123" becomes four tokens; the file itself, read by tokenizers, makes two of it, and
# so does AutoTokenizer if config.json says "llama". One would expect the tokens of tokenizer.json in either case.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/v"
"$tmp/v/bin/pip" install -q transformers==5.23.0 tokenizers==0.23.3
TRANSFORMERS_VERBOSITY=error "$tmp/v/bin/python" - "$tmp" <<'PYTHON'
import json
import sys
from pathlib import Path

import transformers
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

folder = Path(sys.argv[1]) / "model"
folder.mkdir()
vocabulary = {char: index for index, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
merges = [("1", "2"), ("12", "3")]
for left, right in merges:
    vocabulary[left + right] = len(vocabulary)
own = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
own.pre_tokenizer = pre_tokenizers.Sequence(
    [
        pre_tokenizers.Split(Regex(r"\p{N}{1,3}|[^\p{N}]+"), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]
)
own.decoder = decoders.ByteLevel()
own.save(str(folder / "tokenizer.json"))
(folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
found = {}
for model_type in ("llama", "qwen2"):
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
    found[model_type] = type(tokenizer).__name__, tokenizer.tokenize("x123")
print("transformers", transformers.__version__)
print("tokenizer.json itself:", own.encode("x123").tokens)
for model_type, (name, tokens) in found.items():
    print(f"model_type {model_type}: {name} {tokens}")
expected = {
    "llama": ("TokenizersBackend", ["x", "123"]),
    "qwen2": ("Qwen2Tokenizer", ["x", "1", "2", "3"]),
}
sys.exit(found != expected or own.encode("x123").tokens != ["x", "123"])
PYTHON
