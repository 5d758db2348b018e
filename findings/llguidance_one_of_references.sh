#!/usr/bin/env bash
# llguidance 1.9.1 refuses a `oneOf` of references to objects that exclude each other, although it takes the same
# alternatives written out, and although it takes the references as soon as a keyword that it does not know, or one
# that forbids nothing ("required": []), stands beside them. (pydantic's discriminated unions pass only because of
# their OpenAPI keyword `discriminator`, which llguidance ignores; a schema without it is refused.)
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/v"
"$tmp/v/bin/pip" install -q llguidance==1.9.1
"$tmp/v/bin/python" - <<'PY'
import importlib.metadata, json, sys
from llguidance import LLMatcher

def kind(name):
    return {"type": "object", "properties": {"kind": {"const": name}}, "required": ["kind"]}

shared = {"$defs": {"Cat": kind("cat"), "Dog": kind("dog")}}
by_name = [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]
schemas = {
    "alternatives written out": {"oneOf": [kind("cat"), kind("dog")]},
    "alternatives by reference": {"oneOf": by_name, **shared},
    'by reference, with a "title"': {"title": "Pet", "oneOf": by_name, **shared},
    'by reference, with an unknown "zzz"': {"zzz": 1, "oneOf": by_name, **shared},
    'by reference, each with "required": []': {"oneOf": [{**one, "required": []} for one in by_name], **shared},
}
print("llguidance", importlib.metadata.version("llguidance"))
seen = []
for name, schema in schemas.items():
    failed, messages = LLMatcher.validate_grammar_with_warnings(LLMatcher.grammar_from_json_schema(json.dumps(schema)))
    seen.append(not failed)
    print(f"{name:40} {'taken' if not failed else 'refused: ' + messages[0]}")
sys.exit(seen != [True, False, False, True, True])
PY
