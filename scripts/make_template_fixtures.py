"""Makes graphs/tests/data/template/cases.json: conversations, and what transformers renders of them; and strings.json: expressions with
the methods and operators of Python's texts, and what they give.

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
# What Python makes of expressions, for strings.json.
TEXTS = [
    "", "a", "Hello World", "ǆ ß ﬁ ŉ ᾳ", " \t x\u2003y \n", "ΑΣ ΟΔΟΣ σ", "٣²Ⅷ一", "a,b,,c", "héllo\r\nx\x0by\x85z\u2028", "Ab1_é", "İıẞ", "a\x1f\x1cb",
    "-12", "+3.5", "they're bill's", "🦀 crab", "\u0130", "日本 語",
]  # fmt: skip
PLAIN_METHODS = (
    "capitalize casefold lower upper title swapcase isalnum isalpha isascii isdecimal isdigit isidentifier islower isnumeric isprintable "
    "isspace istitle isupper strip lstrip rstrip split rsplit splitlines expandtabs"
).split()
CALLS = """s[2].center(20)  s[2].center(21,'*')  s[1].center(4,'-')  s[1].center(-4)  s[2].ljust(15,'.')  s[2].rjust(15,'é')  s[12].zfill(6)  s[13].zfill(8)
s[1].zfill(0)  s[2].ljust(15,'ab')  s[2].center()  s[2].count('l')  s[2].count('l',3)  s[2].count('l',3,-2)  s[2].count('')  s[2].count('',20)
s[0].count('')  s[2].count('o','x')  s[2].find('o')  s[2].find('o',5)  s[2].find('o',-4)  s[2].find('o',0,4)  s[2].find('')  s[2].find('',11)
s[2].find('',12)  s[2].find('zz')  s[15].find('r')  s[2].find('o',none,none)  s[2].rfind('o')  s[2].rfind('o',0,7)  s[2].rfind('')  s[2].rfind('zz')
s[15].rfind('c')  s[2].index('W')  s[2].index('zz')  s[2].rindex('l')  s[2].rindex('zz')  s[2].index()  s[2].startswith('He')
s[2].startswith(('x','Hell'))  s[2].startswith('W',6)  s[2].startswith('W',6,6)  s[2].startswith('')  s[2].startswith('',12)  s[2].startswith(1)
s[2].endswith('ld')  s[2].endswith(('x','d'))  s[2].endswith('o',0,5)  s[2].endswith('',99)  s[2].removeprefix('He')  s[2].removeprefix('x')
s[2].removesuffix('ld')  s[2].removesuffix('')  s[2].replace('l','L')  s[2].replace('l','L',1)  s[2].replace('l','L',0)  s[2].replace('l','L',-1)
s[1].replace('','-')  s[2].replace('','-',3)  s[2].replace('l')  s[7].partition(',')  s[7].partition(';')  s[7].rpartition(',')  s[7].rpartition(';')
s[7].partition('')  s[15].partition(' ')  s[7].split(',')  s[7].split(',',1)  s[7].split(',',0)  s[7].split(sep=',',maxsplit=2)  s[7].split('')
s[7].split(none,1)  s[4].split(none,1)  s[4].split(none,0)  s[4].rsplit(none,1)  s[4].rsplit(none,0)  s[7].rsplit(',')  s[7].rsplit(',',1)
s[7].rsplit(',',maxsplit=0)  s[7].rsplit(',,')  s[2].split('l',1)[1]  s[0].split(',')  s[0].split()  s[14].split("'")  s[8].splitlines(true)
s[8].splitlines(keepends=true)  s[8].splitlines(false)  s[2].strip('Hd')  s[2].lstrip('leH')  s[2].rstrip('dlr')  s[2].strip(none)  s[4].strip('\\n')
s[7].join(['x','y','z'])  ','.join(s[2])  ','.join([])  ','.join([1])  ','.join(d)  s[4].expandtabs(4)  'a\\tbc\\td\\n\\te'.expandtabs(3)
'a\\tb'.expandtabs(0)  'a\\tb'.expandtabs(tabsize=2)  s[9].encode()|string  s[2].encode('ascii')|string  s[9].encode('ascii')|string
s[2].translate({72:'h',101:none,108:76})  s[2].translate(s[0].maketrans('lo','01','H'))  s[2].translate(s[0].maketrans({'l':'LL',87:none}))
s[0].maketrans('ab','c')  s[2].nothing()  s[2].title('x')  s[2].upper().lower().title()[::-1]  s[2].format()  s[2].isdigit(1)  [3,1,3].index(1)
[3,1,3].index(3,1)  [3,1,3].index(9)  [3,1,3].count(3)  d.get('b')  d.get('x')  d.get('x',2)  d.items()|list  d.keys()|list  d.values()|list"""
FORMATS = """'%s %d'%('a',2)  '%s'%'x'  '%s'%none  '%s'%true  '%s'%1.0  '%s'%[1,'a']  '%r|%a'%('é','é')  '%d'%2.7  '%d'%-2.7  '%i|%u'%(3,4)
'%5.2f|%-6s|%06d|%+d|%+d'%(3.14159,'ab',42,7,-7)  '%x|%X|%o|%#x|%#o'%(255,255,8,255,8)  '%e|%E|%g|%G'%(12345.678,0.00012,1e-7,1e20)
'%.3s|%5s|%.0f'%('abcdef','é',2.5)  '%c%c'%('x',65)  '%%|%5d%%'%3  '%(a)s-%(b)d'%d  '%(x)s'%d  '%*d|%-*d|'%(5,3,4,1)  '%.*f'%(2,3.14159)  '%s'%('x',)
'%s %s'%('x',)  '%s'%('x','y')  '%d'%'x'  '%x'%2.5  '%z'%1  '%'%1  'x'%1  'x'%()  'x'%d  '%s'%d  '%ld'%3  '% d|% d'%(3,-3)  '%5s|%-5s|'%(true,none)
'%s'%(1,)  '{}|{}'.format(1,'b')  '{0}{1}{0}'.format('a','b')  '{x}-{y}'.format(x=1,y='z')  '{:>5}|{:<5}|{:^5}|{:*^7}'.format('a','b','c','d')
'{:05d}|{:+d}|{:,}|{:_}'.format(42,7,1234567,1234567)  '{:.2f}|{:8.3f}|{:e}|{:g}|{:%}'.format(3.14159,2.5,12345.678,1e-7,0.25)
'{:x}|{:X}|{:o}|{:b}|{:#x}'.format(255,255,8,5,255)  '{!r}|{!s}|{!a}'.format('é','é','é')  '{!r:>6}'.format('a')  '{:{}}|'.format('a',4)
'{:>{w}}|'.format('a',w=4)  '{0[a]}|{0[b]}'.format(d)  '{0[1]}'.format([1,2])  '{{}}{{{}}}'.format(1)  '{}|{}|{}'.format(none,true,[1,'a'])
'{}'.format()  '{1}'.format(1)  '{x}'.format(y=1)  '{'.format(1)  '}'.format(1)  '{:d}'.format('x')  '{:5}|{:5}|'.format(1,'a')  '{:5}'.format(none)
'{!z}'.format(1)  '{a}-{b}'.format_map(d)  '{x}'.format_map(d)  '{:.1}'.format('abc')  '{:5}|'.format(true)  '{}'.format(1.0)  '{:.3}'.format(3.14159)"""
OPERATORS = """'a'*3  3*'ab'  'a'*0  'a'*-1  [1,2]*2  2*[1]  [1]*0  -7%3  7%-3  -7%-3  7.5%2  -7.5%2  7%0  7//2  1+true  true+true  1.5+1  'a'+'b'  [1]+[2,'x']
'a'+1  [1]+'a'  none+1  1+2*3~'x'~4%3  (1+2)*3  2*3+4*5-6  10-2-3+1  10-(2-3)+1  2**3  2*-3  -2+5  'a'~1~none~true~1.5~[1,none]  'a'~'b'=='ab'  d.b+1
d['b']+d.b*2  (s[2]+'!')|length  s[2]|length+1  [1,2][0]+1  1<2+3<6  s[2][1:4]  s[2][:-3]  s[2][::-1]  s[2][::2]  s[2][-3:]  s[2][8:2:-2]  s[2][20:]
s[2][:0]  s[2][-99:3]  s[15][:1]  s[15][2:]  [1,2,3,4][1:3]  [1,2,3,4][::-1]  [1,2,3,4][-1:0:-2]  s[2][1+1:2*4]  s[2][1:][1:][0]  s[2][::0]
s[2][1:].upper()  s[2][1:][-1]  d['a'][0:1]  (1,2,3)[1:]  s[7].split(',')[1:]  (1,2)  (1,)  ()  {'a':1+1,'b':[1,{'c':2}]}  {'a':1}.a  [[],{}]
[1,2]+[3]*2  'a'<'b'  [1]==[1]  [1,[2]]==[1,[2]]  {'a':1}=={'a':1}  2in[1,2]  s[2]|replace('l','L')  s[2]|replace('l','L',1)  [1,none,'x']|join('-')
[{'k':1},{'k':2}]|join('+',attribute='k')  s[8]|indent(2)  s[8]|indent(3,true)  s[8]|indent(2,blank=true)  s[8]|indent('>>',first=true)  s[4]|trim
'..a.'|trim('.')  '%s-%s'|format(1,'b')  '%(x)s'|format(x=2)  [1,2,3]|batch(2)|list  [1,2,3]|slice(2)|list  range(5)|list|sum  dict(a=1,b=[2])
dict(a=1).a  {'x':{'y':[1,2]}}.x.y[-1]  [3,1,2]|sort  [[2],[1]]|sort|first"""
SPACED = [
    "not 'a' ~ 'b' == 'ab'", "'x' if 'a' in 'b' + 'a' else 'y'", "1 + 2 in [3]", "5 if 1 + 1 == 2 else 6", "'a' in d", "1 is odd", "3 is divisibleby 3", "none is none ~ 'x'",
    "1 not in [2] and 'a' ~ 'b'", "[1, 2] is iterable and 1 + 1", "1 if false else 2 + 3", "(d.a ~ '%s') % 3", "'%s' % d.b + 'x'", "'%s' % (d.b + 1)", "'a' if d.b == 1 + 1 else 'c' ~ 'd'",
    "'%s and %s' % ('a', 'b') ~ '!'", "s[2].split('o', 1)[0] + s[2].split('o')[-1]", "d.items() | map('first') | list + ['z']",
]  # fmt: skip
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


def expressions():
    yield from (f"s[{i}].{name}()" for name in PLAIN_METHODS for i in range(len(TEXTS)))
    yield from (e for text in (CALLS, FORMATS, OPERATORS) for line in text.splitlines() for e in line.split("  "))
    yield from SPACED


def strings():
    """Expressions, and what Python makes of each: JSON, or nothing where it refuses."""
    variables = {"s": TEXTS, "d": {"a": "xy", "b": 2}}
    rows = []
    for expression in expressions():
        source = "{{ (" + expression + ") | tojson }}"
        try:
            rendered, _ = render_jinja_template([[]], chat_template=source, **variables)
            rows.append([expression, json.loads(rendered[0])])
        except Exception:
            rows.append([expression])
    lines = ",\n".join(json.dumps(r, ensure_ascii=False) for r in rows)
    (OUT / "strings.json").write_text(f'{{"variables": {json.dumps(variables, ensure_ascii=False)},\n"rows": [\n{lines}\n]}}\n')
    print(len(rows), "expressions,", sum(len(r) == 1 for r in rows), "of them refused")


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
    strings()
    print(len(cases), "cases,", sum("refusal" in c for c in cases), "refusals")


if __name__ == "__main__":
    main()
