"""What the documentation page says before the routes."""

from __future__ import annotations

INTRODUCTION = """
The models of this machine, over the APIs of OpenAI and Anthropic. `model` is the id of a loaded model; left empty it
is the one that is loaded. `GET /v1/models` lists the models, `POST /v1/models/MODEL/load` loads one. If the server
asks for an API key, send it as `Authorization: Bearer KEY` or `x-api-key: KEY`.

A server that runs follows what other programs change: models that are added to the registry, downloaded or removed,
API keys, voices, and the settings of `config.toml` that say how models are loaded and kept (memory guard, context, how
many, idle time, `jit`, caches, quantization, draft models, adapters). The other settings want a restart.

### curl

```sh
curl -N -X POST http://127.0.0.1:8080/v1/models/smollm2-135m/load
curl http://127.0.0.1:8080/v1/chat/completions -H 'Content-Type: application/json' \\
  -d '{"model": "smollm2-135m", "messages": [{"role": "user", "content": "Hello"}]}'
```

### openai

```python
from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:8080/v1", api_key="none")
stream = client.chat.completions.create(
    model="smollm2-135m", messages=[{"role": "user", "content": "Hello"}], stream=True
)
for chunk in stream:
    print(chunk.choices[0].delta.content or "", end="")
```

### anthropic

```python
from anthropic import Anthropic

client = Anthropic(base_url="http://127.0.0.1:8080", api_key="none")
message = client.messages.create(
    model="smollm2-135m", max_tokens=200, messages=[{"role": "user", "content": "Hello"}]
)
print(message.content[0].text)
```
"""
