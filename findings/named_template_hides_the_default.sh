#!/usr/bin/env bash
# transformers 5.23.0: a folder whose chat template is in tokenizer_config.json (as it was until 2025) loses it when a
# further one, additional_chat_templates/tool_use.jinja, is put beside it: the named templates replace the one in the
# configuration instead of joining it, and every conversation without tools raises "no default specified". With the
# same default template in chat_template.jinja both are there. One would expect both in either case.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/v"
"$tmp/v/bin/pip" install -q transformers==5.23.0 tokenizers==0.23.3 jinja2==3.1.6
TRANSFORMERS_VERBOSITY=error "$tmp/v/bin/python" - "$tmp" <<'PYTHON'
import json
import sys
from pathlib import Path

import transformers
from tokenizers import Tokenizer, models

folder = Path(sys.argv[1]) / "model"
(folder / "additional_chat_templates").mkdir(parents=True)
Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]")).save(str(folder / "tokenizer.json"))
(folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
plain, for_tools = "{% for m in messages %}{{ m.content }}{% endfor %}", "tools: {{ tools }}"
settings = {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": plain}
(folder / "tokenizer_config.json").write_text(json.dumps(settings))
found = {}


def look(name: str) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
    kept = tokenizer.chat_template
    names = sorted(kept) if isinstance(kept, dict) else "one template"
    try:
        said = tokenizer.apply_chat_template([{"role": "user", "content": "Hello"}], tokenize=False)
    except ValueError as error:
        said = f"ValueError: {str(error)[:65]}"
    found[name] = names, said
    print(f"{name}: {names}; without tools: {said}")


print("transformers", transformers.__version__)
look("tokenizer_config.json alone")
(folder / "additional_chat_templates" / "tool_use.jinja").write_text(for_tools)
look("with tool_use.jinja")
(folder / "chat_template.jinja").write_text(plain)
look("with both files")
sys.exit(
    found
    != {
        "tokenizer_config.json alone": ("one template", "Hello"),
        "with tool_use.jinja": (
            ["tool_use"],
            "ValueError: This model has multiple chat templates with no default specified!",
        ),
        "with both files": (["default", "tool_use"], "Hello"),
    }
)
PYTHON
