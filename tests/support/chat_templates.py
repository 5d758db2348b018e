"""Small chat templates, each with the demands of a family of real ones."""

from __future__ import annotations

END = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
_TOOLS = "{%- for tool in tools or [] %}{{ tool | tojson }}\n{% endfor %}"
_EACH = "{%- for message in messages %}"
_TURN = "<|im_start|>{{ message.role }}\n{{ message.content }}"
_CLOSE = "<|im_end|>\n{% endfor %}" + END
_REASONING = "{% if message.reasoning_content %}<think>{{ message.reasoning_content }}</think>{% endif %}"
_JSON_CALLS = """{%- for call in message.tool_calls or [] %}
<tool_call>{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}</tool_call>
{%- endfor %}"""

CHATML = _EACH + _TURN + _CLOSE

# Qwen3.5: reads thoughts, and wants one system turn, a user turn, and arguments as a mapping
STRICT_SYSTEM = (
    _TOOLS
    + "{%- if not messages | selectattr('role', 'equalto', 'user') | list %}{{ raise_exception('No user query.') }}"
    + "{% endif %}"
    + _EACH
    + "{%- if message.role == 'system' and not loop.first %}"
    + "{{ raise_exception('System message must be at the beginning.') }}{% endif %}"
    + "<|im_start|>{{ message.role }}\n"
    + _REASONING
    + "{{ message.content }}"
    + """{%- for call in message.tool_calls or [] %}
<tool_call>
<function={{ call.function.name }}>
{%- for name, value in call.function.arguments|items %}
<parameter={{ name }}>
{{ value }}
</parameter>
{%- endfor %}
</function>
</tool_call>
{%- endfor %}"""
    + _CLOSE
)

ALTERNATE = (
    _EACH
    + "{%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}"
    + "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    + _TURN
    + _CLOSE
)

# Mistral with tools: alternating turns, calls not counted; ids of nine characters; a call's text is not shown
MISTRAL = """{%- if messages[0].role == 'system' %}{% set system = messages[0].content %}{% set rest = messages[1:] %}
{%- else %}{% set rest = messages %}{% endif %}
{%- set ns = namespace(index=0) %}
{%- for message in rest %}
{%- if message.role == 'user' or (message.role == 'assistant' and message.tool_calls is not defined) %}
{%- if (message.role == 'user') != (ns.index % 2 == 0) %}
{{ raise_exception('After the optional system message, conversation roles must alternate user/assistant') }}{% endif %}
{%- set ns.index = ns.index + 1 %}{% endif %}{% endfor %}
{%- if tools %}[AVAILABLE_TOOLS] {{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}
{%- for message in rest %}
{%- if message.role == 'user' %}[INST] {% if loop.first and system is defined %}{{ system }}

{% endif %}{{ message.content }}[/INST]
{%- elif message.tool_calls is defined %}[TOOL_CALLS] [
{%- for call in message.tool_calls %}
{%- if call.id is not defined or call.id | length != 9 %}
{{ raise_exception('Tool call IDs should be alphanumeric strings with length 9!') }}{% endif %}
{{- call.function | tojson }}{% endfor %}]</s>
{%- elif message.role == 'assistant' %} {{ message.content }}</s>
{%- elif message.role == 'tool' %}[TOOL_RESULTS] {{ message.content }} {{ message.tool_call_id }}[/TOOL_RESULTS]
{%- else %}{{ raise_exception('Only user, assistant, tool roles are supported') }}
{%- endif %}{% endfor %}"""

# Gemma: no system turn, trims
NO_SYSTEM = (
    "{%- if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    + _EACH
    + "{%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}"
    + "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    + "{% set role = 'model' if message.role == 'assistant' else message.role %}"
    + "<start_of_turn>{{ role }}\n{{ message.content | trim }}<end_of_turn>\n{% endfor %}"
    + "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)

# Qwen3-Coder, GLM-4.5, MiniMax
CODER = STRICT_SYSTEM.replace("raise_exception('No user query.')", "''").replace(
    "{{ raise_exception('System message must be at the beginning.') }}", ""
)

EFFORT = (
    "{%- if reasoning_effort is defined and reasoning_effort not in ('low', 'medium', 'xhigh') %}"
    + "{{ raise_exception('Unknown effort ' + reasoning_effort) }}{% endif %}"
    + "{% if reasoning_effort is defined %}[{{ reasoning_effort }}]{% endif %}"
    + CHATML
)

TOJSON = _TOOLS + _EACH + _TURN + _JSON_CALLS + _CLOSE

# DeepSeek-R1: arguments are put together with text
TEXT_ARGUMENTS = (
    _EACH
    + _TURN
    + "{%- for call in message.tool_calls or [] %}"
    + "{{ call.function.name + '\n```json\n' + call.function.arguments }}\n```{% endfor %}"
    + _CLOSE
)

# Llama 3.1: one call a turn, whose text is not shown
ONE_CALL = (
    _EACH
    + "<|im_start|>{{ message.role }}\n"
    + "{%- if message.tool_calls %}{% if message.tool_calls | length != 1 %}"
    + "{{ raise_exception('This model only supports single tool-calls at once!') }}{% endif %}"
    + _JSON_CALLS
    + "{% else %}{{ message.content }}{% endif %}"
    + _CLOSE
)

# gpt-oss: later system turns are not shown; a result needs its call; a turn that calls has a thought or a text
HARMONY = """{%- if messages[0].role in ('developer', 'system') %}
{%- set developer = messages[0].content %}{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif %}
<|start|>system<|message|>Reasoning: {{ reasoning_effort or 'medium' }}<|end|>
{%- if developer is defined or tools %}<|start|>developer<|message|>{{ developer }}
{%- for tool in tools or [] %}
// {{ tool.function.description + '' }}
{%- for name, value in tool.function.parameters.properties.items() %} {{ name }}: {{ value.type }}{% endfor %}
{%- endfor %}<|end|>{% endif %}
{%- set ns = namespace(called=None) %}
{%- for message in rest %}
{%- if message.role == 'assistant' and message.tool_calls %}
{%- if message.content and message.thinking %}
{{ raise_exception('Cannot pass both content and thinking in an assistant message with tool calls!') }}{% endif %}
{%- set thought = message.content or message.thinking %}
{%- if thought %}<|start|>assistant<|channel|>analysis<|message|>{{ thought }}<|end|>{% endif %}
{%- set call = message.tool_calls[0].function %}
<|start|>assistant to=functions.{{ call.name }}<|channel|>commentary json
{{- '<|message|>' }}{{ call.arguments | tojson }}<|call|>
{%- set ns.called = call.name %}
{%- elif message.role == 'assistant' %}
{%- if message.thinking and loop.last %}<|start|>assistant<|channel|>analysis<|message|>{{ message.thinking }}<|end|>
{%- endif %}<|start|>assistant<|channel|>final<|message|>{{ message.content }}<|end|>
{%- elif message.role == 'tool' %}
{%- if ns.called is none %}{{ raise_exception('Message has tool role, but there was no previous call!') }}{% endif %}
<|start|>functions.{{ ns.called }} to=assistant<|channel|>commentary<|message|>{{ message.content | tojson }}<|end|>
{%- elif message.role == 'user' %}<|start|>user<|message|>{{ message.content }}<|end|>
{%- endif %}{% endfor %}
{%- if add_generation_prompt %}<|start|>assistant
{% endif %}"""

TEMPLATES = {
    "chatml": CHATML,
    "strict system": STRICT_SYSTEM,
    "alternate": ALTERNATE,
    "mistral": MISTRAL,
    "no system": NO_SYSTEM,
    "coder": CODER,
    "effort": EFFORT,
    "tojson": TOJSON,
    "text arguments": TEXT_ARGUMENTS,
    "one call": ONE_CALL,
    "harmony": HARMONY,
}
