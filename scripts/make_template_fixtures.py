"""Makes graphs/tests/data/template/cases.json: conversations, and what transformers renders of them.

    pip install transformers jinja2
    python scripts/make_template_fixtures.py

The chat templates of the families are the `.jinja` files of that folder; CONSTRUCTS below are templates that try one part of the
language each. A case has `template` (a file) or `source` (a text), `messages`, `add_generation_prompt`, `extra` (more variables), and
`expected` or, where the template refuses the conversation, `refusal`.
"""

import json
import pathlib

import jinja2
from transformers.utils.chat_template_utils import render_jinja_template

OUT = pathlib.Path(__file__).parent.parent / "graphs" / "tests" / "data" / "template"


def turn(role, content, **more):
    return {"role": role, "content": content} | more


ONE = [turn("user", "Hello, \"you\" <b>!")]
TALK = [*ONE, turn("assistant", "Hi.\n"), turn("user", "  And? ")]
LONG = [*TALK, turn("assistant", "<think>\nHm, \u00e9\n</think>\n\nDone \U0001f980"), turn("user", "\u65e5\u672c\n\n")]
SYSTEM = turn("system", " Be brief. ")
ARGUMENTS = {"a": 2, "b": [1.5, None, True], "\u00fc": {"x": "a<\u00e9>\"'\\\n"}}
CALL = {"type": "function", "id": "abcdef123", "function": {"name": "add", "arguments": ARGUMENTS}}
TOOL_TALK = [
    turn("user", "Add."), turn("assistant", "", tool_calls=[CALL]), turn("tool", '{"sum": 4}', tool_call_id="abcdef123", name="add"),
    turn("assistant", "It is 4."), turn("user", "Again!"),
]  # fmt: skip
TWO_CALLS = [
    turn("user", "Add twice."), turn("assistant", "I will.", reasoning_content="Use it.", tool_calls=[CALL, CALL | {"id": "123456789"}]),
    turn("tool", "4", tool_call_id="abcdef123"), turn("tool", "5", tool_call_id="123456789"),
]  # fmt: skip
PARTS = [turn("system", [{"type": "text", "text": "Look."}]), turn("user", [{"type": "image"}, {"type": "text", "text": " What is it? "}])]
UNORDERED = [turn("user", "a"), turn("user", "b")]
TOOLS = [
    {"type": "function", "function": {"name": "add", "description": "Adds \u2211 <two> numbers.", "parameters": {
        "type": "object", "properties": {"b": {"type": "number", "enum": [1, 2.5, None, True, 1e-7, 1e20]}, "a": {"type": "string"}},
        "required": ["a"]}, "return": {"type": "number"}}},
    {"type": "function", "function": {"name": "time", "description": "Now.", "parameters": {"type": "object", "properties": {}}}},
]  # fmt: skip
CONVERSATIONS = {
    "one turn": (ONE, {}),
    "turns": (TALK, {}),
    "system": ([SYSTEM, *ONE], {}),
    "system, turns": ([SYSTEM, *LONG], {}),
    "no thinking": (ONE, {"enable_thinking": False}),
    "tools": (ONE, {"tools": TOOLS}),
    "system, tools": ([SYSTEM, *TALK], {"tools": TOOLS, "tools_in_user_message": False}),
    "tool call": (TOOL_TALK, {"tools": TOOLS}),
    "two calls": ([SYSTEM, *TWO_CALLS], {"tools": TOOLS[:1]}),
    "parts": (PARTS, {}),
    "out of turn": (UNORDERED, {}),
}

CONSTRUCTS = {
    "python methods and slices": """{%- for m in messages[::-1] %}
    {%- set ns = namespace(found=false) %}
    {%- if m.content.startswith('He') and not m['content'].endswith('x') %}{% set ns.found = true %}{% endif %}
    {{- loop.index0 ~ ns.found ~ m.content.strip().upper() ~ m.content.split(' ')[-1].lstrip('A').replace('?', '!') }}
{%- endfor %}
{{ messages[1:]|length }} {{ messages[0].get('name', 'nobody') }} {{ messages[0].items()|list|length }} {{ none }} {{ true }}""",
    "more python methods": """{% set s = 'ab cd, ab' %}{{ s.count('ab') }}{{ s.find('cd') }}{{ s.title() }}{{ s.capitalize() }}{{ s.rstrip('b') }}
{{ s.split(', ')|join('|') }}{{ s.split()|length }}{{ s.split(' ', 1)[1] }}{{ '12'.isdigit() }}{{ 'Ab'.lower() }}{{ ' x '.strip() }}{{ 'a\\nb\\n'.splitlines()|length }}
{{ ','.join(['x', 'y']) }}{{ s[0] }}{{ s[-2:] }}{{ s[::-1] }}{{ s[1:4] }}{{ 'a' * 3 }}{{ 'x' in 'xyz' }}{{ 'a' < 'b' }}{{ s.startswith(('ab', 'x')) }}
{% for k, v in messages[0].items() %}{{ k }}={{ v }};{% endfor %}{{ messages[0].keys()|list|join(',') }}{{ messages[0].values()|list|length }}""",
    "filters": """{{ messages|map(attribute='role')|join(',') }} {{ messages|selectattr('role', 'equalto', 'user')|list|length }}
{{ messages|rejectattr('role', 'eq', 'user')|map(attribute='content')|first|trim }} {{ (messages|last).role|upper }} {{ [3, 1, 2]|sort|join }} {{ [1, 1, 2]|unique|list|length }}
{{ nothing|default('d') }} {{ ''|default('e', true) }} {{ 'a-b'|replace('-', '+') }} {{ 'one two'|title }} {{ '3'|int + 1 }} {{ [1, 2, 3]|sum }} {{ [3, 1]|max }} {{ 'abc'|length }}
{{ {'b': 1, 'a': 2}|dictsort|map('first')|join }} {{ 'x'|string ~ 1 }} {{ ['a', 'b']|reverse|join }} {{ messages[0]|items|list|length }} {{ 'a\\nb'|indent(2) }}""",
    "numbers": "{{ 7 // 2 }} {{ 7 % 4 }} {{ 7 / 2 }} {{ 2 ** 3 }} {{ 1.0 }} {{ 0.1 + 0.2 }} {{ 1e20 }} {{ 6 / 2 }} {{ -7 // 2 }} {{ 3 > 2 > 1 }} {{ 10 | float }} {{ 2.6|round|int }} {{ 1 == 1.0 }}",
    "lists and dicts as text": "{{ [1, 'a', none, true, 1.5, {'k': ['v', \"it's\"]}] }} {{ {'a': {'b': 'ü\\n'}} }} {{ tools }} {{ [] ~ {} }} {{ ['a']|string }}",
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
    "loops": """{% for m in messages if m.role != 'system' %}{{ loop.index }}/{{ loop.length }}{{ loop.first }}{{ loop.last }}{{ loop.revindex0 }}{{ loop.cycle('a', 'b') }}{{ loop.previtem.role if loop.previtem }}{{ loop.nextitem.role if loop.nextitem is defined }};{% endfor %}
{% for x in [] %}x{% else %}empty{% endfor %}{% for i in range(3, 0, -1) %}{{ i }}{% endfor %}{% set a, b = 1, 'two' %}{{ a }}{{ b }}{% for i, c in [(1, 'x'), (2, 'y')] %}{{ i }}{{ c }}{% endfor %}""",
    "scopes": """{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}{% for i in [1] %}{% set x = 3 %}{{ x }}{% endfor %}{{ x }}
{% set block %}text {{ x }}{% endset %}{{ block|trim }}{% with y = 5 %}{{ y }}{% endwith %}{{ y is defined }}{% filter upper %}shout{% endfilter %}{% raw %}{{ raw }}{% endraw %}
{% set ns = namespace() %}{% set ns.a = [] %}{% for m in messages %}{% set ns.a = ns.a + [m.role] %}{% endfor %}{{ ns.a|join }}{{ dict(a=1, b='c').b }}""",
    "generation marks": "{% for m in messages %}{%- if m.role == 'assistant' %}\n {% generation %}\n{{ m.content }}{%- endgeneration -%}\n x{% else %}{{ m.content }}{% endif %}{% endfor %}",
    "json": """{{ tools | tojson }}
{{ tools | tojson(indent=2) }}
{{ messages[0].content | tojson }}{{ {'b': 1, 'a': 'ü'}|tojson(sort_keys=true) }}{{ {'b': [1, 2], 'a': 'ü🦀'}|tojson(ensure_ascii=true, separators=(',', ':')) }}{{ [[], {}]|tojson(indent=1) }}""",
    "undefined": "{{ nothing }}{% if tools is defined %}tools{% endif %}{% if enable_thinking is defined and enable_thinking is false %}no{% endif %}{{ messages[0].name is none }}{{ messages[0].name }}{{ messages[9] is defined }}{{ nothing is undefined }}{{ 'yes' if nothing else 'no' }}{{ 'x' if false }}",
    "macros": "{% macro turn(m, mark='#') %}{{ mark }}{{ m.role }}{% endmacro %}{% for m in messages %}{{ turn(m) }}{{ turn(m, mark='*') }}{% endfor %}{% macro wrap() %}<{{ caller() }}>{% endmacro %}{% call wrap() %}in{% endcall %}",
    "type tests": "{% if messages[0].content is string %}s{% endif %}{% if messages is iterable and messages is not mapping %}i{% endif %}{{ 'a' in messages[0] }}{{ 'abc' is iterable }}{{ 'abc' is sequence }}{{ 3 is number }}{{ 3 is integer }}{{ 3.0 is float }}{{ true is boolean }}{{ messages[0] is mapping }}{{ 2 is even }}{{ 2 is divisibleby 2 }}{{ none is none }}{{ 1 is eq 1 }}{{ 'a' is in ['a'] }}{{ messages is sequence }}{{ '-' * 3 }}",
}  # fmt: skip
PLAIN = ("turns", "system, turns", "tools")
# What a prompt's opening changes is the same in every conversation.
BOTH = ("turns", "system", "tool call")


def case(name, which, source, template, prompt):
    messages, extra = CONVERSATIONS[which]
    extra = dict(extra) | {"date_string": "26 Jul 2024"}
    row = {"name": f"{name}: {which}"} | ({"template": template} if template else {"source": source})
    row |= {"messages": messages, "add_generation_prompt": prompt, "extra": extra}
    try:
        rendered, _ = render_jinja_template(
            [messages], chat_template=source, add_generation_prompt=prompt, bos_token="<s>", eos_token="</s>", **extra
        )
        return row | {"expected": rendered[0]}
    except jinja2.exceptions.TemplateError as e:
        return row | {"refusal": str(e)}
    except TypeError:
        # A template for texts was given something else; what becomes of that is Python's affair.
        return None


def main():
    cases = []
    for path in sorted(OUT.glob("*.jinja")):
        for which in CONVERSATIONS:
            for prompt in (True, False) if which in BOTH else (True,):
                cases.append(case(path.stem, which, path.read_text(), path.name, prompt))
    for name, source in CONSTRUCTS.items():
        for which in PLAIN:
            cases.append(case(name, which, source, None, which != "turns"))
    cases = [c for c in cases if c]
    lines = ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases)
    (OUT / "cases.json").write_text(f"[\n{lines}\n]\n")
    print(len(cases), "cases,", sum("refusal" in c for c in cases), "refusals")


if __name__ == "__main__":
    main()
