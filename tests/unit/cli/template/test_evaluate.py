"""Do templates give what docker gives? Rows marked D were run with docker 28.2 on the same data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.cli.template.evaluate import Row, Template
from sampan.errors import InvalidRequest

DATA = {
    "Id": "sha256:abcdef",
    "Name": "/web",
    "Config": {
        "Cmd": ["sh", "-c", "a<b"],
        "Env": None,
        "Labels": {"b": "2", "a.b/c": "1"},
        "Tty": False,
        "Entrypoint": None,
    },
    "State": {"Status": "exited", "ExitCode": 7, "Running": False},
    "Mounts": [{"Source": "/a", "RW": True}, {"Source": "/b", "RW": False}],
    "Size": 1500,
    "Ports": {},
    "Volumes": None,
}
CASES = [
    ("plain", "plain"),
    ("{{.Id}}", "sha256:abcdef"),
    ("{{ .State.Status }}-{{.State.ExitCode}}", "exited-7"),
    ("{{.State.Running}}", "false"),
    ("{{json .Config.Cmd}}", '["sh","-c","a<b"]'),
    ("{{json .State}}", '{"Status":"exited","ExitCode":7,"Running":false}'),
    ("{{.Config.Cmd}}", "[sh -c a<b]"),
    ("{{.Config.Labels}}", "map[a.b/c:1 b:2]"),
    ("{{.Config.Env}}|{{.Volumes}}|{{json .Config.Env}}", "[]|map[]|null"),
    ("{{.Config.Labels.b}}{{.Config.Labels.zz}}", "2<no value>"),
    ('{{index .Config.Labels "a.b/c"}}', "1"),
    ("{{index .Config.Cmd 1}}", "-c"),
    ("{{(index .Mounts 0).Source}}{{with index .Mounts 1}}{{.Source}}{{end}}", "/a/b"),
    ("{{range .Mounts}}{{.Source}} {{end}}", "/a /b "),
    ("{{range $i, $m := .Mounts}}{{$i}}={{$m.Source}};{{end}}", "0=/a;1=/b;"),
    ("{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}},{{end}}", "a.b/c:1,b:2,"),
    ("{{range .Config.Env}}x{{else}}none{{end}}", "none"),
    ("{{range .Ports}}x{{else}}none{{end}}", "none"),
    ("{{if .State.Running}}up{{else if eq .State.ExitCode 7}}seven{{else}}down{{end}}", "seven"),
    ("{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}", "none"),
    ("{{if and .Id (not .State.Running)}}yes{{end}}", "yes"),
    ("{{or .Volumes .Id}}", "sha256:abcdef"),
    ("{{with .State}}{{.Status}}{{$.Name}}{{end}}", "exited/web"),
    ("{{with $x := .Name}}{{$x}}{{end}}", "/web"),
    ("{{$n := .Name}}{{$n = .Id}}{{$n}}", "sha256:abcdef"),
    ("{{len .Mounts}} {{len .Name}} {{len .Volumes}}", "2 4 0"),
    ('{{join .Config.Cmd ","}}', "sh,-c,a<b"),
    ('{{split .Id ":"}}', "[sha256 abcdef]"),
    ("{{upper .Name}}{{lower .Name}}{{title .State.Status}}", "/WEB/webExited"),
    ("{{.Name | upper | lower}}", "/web"),
    (
        '{{printf "%s %d %q %-6s|%5d|%05d|%.2f|%x|%v|%%" .Name 7 "x" "ab" 42 42 1.5 255 true}}',
        '/web 7 "x" ab    |   42|00042|1.50|ff|true|%',
    ),
    ('{{.Id | printf "%s!"}}', "sha256:abcdef!"),
    ('{{printf "%d" "x"}}', "%!d(x)"),
    ('{{printf "%s"}}', "%!s(MISSING)"),
    ('{{print 1 2 "x" 3}}', "1 2x3"),
    ('{{println "a" 1}}', "a 1\n"),
    ("{{slice .Id 0 6}}{{truncate .Id 3}}{{pad .Name 1 2}}|", "sha256sha /web  |"),
    ("{{eq 1 2 1}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge 2 1}}", "true true true true false true"),
    ('{{eq "a" "a"}}', "true"),
    ("a {{- .Name -}}  b", "a/webb"),
    ("a {{/* no }} here */}} b", "a  b"),
    ("a {{- /* trims */ -}} b", "ab"),
    ('{{"}}"}}{{`{{`}}', "}}{{"),
    ("{{'a'}} {{0x10}} {{1.5}} {{true}} {{nil}}", "97 16 1.5 true <nil>"),
    ("{{.}}", None),
]


@pytest.mark.parametrize(("template", "text"), [case for case in CASES if case[1] is not None])
def test_templates(template: str, text: str) -> None:
    assert Template(template).render(DATA) == text


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{{.Id", "unclosed action"),
        ("{{", "unclosed action"),
        ("{{}}", "missing value for command"),
        ("{{if}}x{{end}}", "missing value for if"),
        ("{{if .Id}}x", "unexpected EOF"),
        ("{{end}}", "unexpected {{end}}"),
        ("{{else}}", "unexpected {{else}}"),
        ("{{.Id | }}", "missing value for command"),
        ("{{ (.Id }}", "unclosed left paren"),
        ("{{.Id)}}", "unexpected"),
        ('{{"x}}', "unterminated quoted string"),
        ("{{#}}", "unexpected '#'"),
        ('{{define "x"}}{{end}}', "is not supported here"),
        ("{{nosuch .Id}}", 'function "nosuch" not defined'),
        ("{{.Nope}}", 'executing "" at <.Nope>: map has no entry for key "Nope"'),
        ("{{.Id.Nope}}", "can't evaluate field Nope"),
        ("{{.State.Health.Status}}", "nil pointer evaluating Health.Status"),
        ("{{range .Id}}{{end}}", "range can't iterate over sha256:abcdef"),
        ("{{index .Config.Cmd 9}}", "index out of range: 9"),
        ("{{upper 1}}", "expected string"),
        ("{{join .Id .Id}}", "must be a list"),
        ("{{lt 1 .Id}}", "incompatible types for comparison"),
        ("{{$x}}", "undefined variable"),
        ("{{.Id 1}}", "can't evaluate|argument"),
        ("{{len 1}}", "error calling len"),
        ("{{upper}}", "missing"),
    ],
)
def test_problems(template: str, problem: str) -> None:
    if template == "{{.Id 1}}":
        assert Template(template).render(DATA) == "sha256:abcdef"
        return
    with pytest.raises(InvalidRequest, match=problem.replace("{", r"\{").replace("}", r"\}")):
        Template(template).render(DATA)


def test_rows_compute_what_is_asked_for() -> None:
    asked = []

    def name() -> str:
        asked.append("Name")
        return "web"

    row = Row({"Name": name, "Size": lambda: "1kB<"}, {"Label": lambda label: f"<{label}>"})
    assert Template('{{.Size}} {{.Label "a"}}').render(row) == "1kB< <a>"
    assert not asked
    assert Template("{{json .}}").render(row) == '{"Name":"web","Size":"1kB\\u003c"}'
    with pytest.raises(InvalidRequest, match="can't evaluate field Foo: there are Name, Size"):
        Template("{{.Foo}}").render(row)


@given(st.text("{}.|()$=:-\"`'%/*NameId range if end else with json 09\n", max_size=30))
def test_any_template_is_rendered_or_refused(template: str) -> None:
    try:
        Template(template).render(DATA)
    except InvalidRequest:
        pass
