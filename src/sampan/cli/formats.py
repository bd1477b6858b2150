"""How does a list of things become output: the default table, `--format` templates, JSON lines, or IDs only?"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sampan.cli.command import Call
from sampan.cli.flags import TEXT, Flag
from sampan.cli.tabular import align
from sampan.cli.template.evaluate import CannotEvaluate, Row, Template
from sampan.cli.template.functions import FUNCTIONS, to_json
from sampan.cli.template.lexer import BadTemplate
from sampan.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT_HELP = """Format output using a custom template:
'table':            Print output in table format with column headers (default)
'table TEMPLATE':   Print output in table format using the given Go template
'json':             Print in JSON format
'TEMPLATE':         Print output using the given Go template."""
FORMAT = Flag("format", TEXT, FORMAT_HELP)
INSPECT_FORMAT = Flag(
    "format",
    TEXT,
    "Format output using a custom template:\n'json':             Print in JSON format\n"
    "'TEMPLATE':         Print output using the given Go template.",
    short="f",
)
# In a header, `{{upper .Names}}` shows the name of the column, not what the function would make of it.
HEADER_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **FUNCTIONS,
    **dict.fromkeys(("json", "split", "join", "title", "lower", "upper", "pad", "truncate"), lambda value, *_: value),
}


def label_header(name: str) -> str:
    """`com.example.my-label` as `my label`."""
    return name.rpartition(".")[2].replace("-", " ").replace("_", " ")


def show(call: Call, rows: Iterable[Row], headers: dict[str, str], *, default: str, template: str) -> None:
    """Print rows by `template` ("" for the default table)."""
    template = template.replace("\\t", "\t").replace("\\n", "\n").strip(" ")
    if template == "json":
        for row in rows:
            call.out.line(to_json(row))
        return
    if template in ("", "table"):
        template = f"table {default}"
    try:
        show_by_template(call, rows, headers, template)
    except BadTemplate as error:
        raise InvalidRequest(f"failed to parse template: {error}") from None
    except CannotEvaluate as error:
        raise InvalidRequest(f"failed to execute template: {error}") from None


def show_by_template(call: Call, rows: Iterable[Row], headers: dict[str, str], template: str) -> None:
    """Print rows by a template, as a table if it says so. Raises BadTemplate and CannotEvaluate."""
    if not template.startswith("table"):
        compiled = Template(template)
        for row in rows:
            call.out.line(compiled.render(row))
        return
    body = template.removeprefix("table").strip(" ")
    header_row = Row({name: lambda title=title: title for name, title in headers.items()}, {"Label": label_header})  # type: ignore[misc]
    compiled = Template(body)
    lines = [Template(body, HEADER_FUNCTIONS).render(header_row), *(compiled.render(row) for row in rows)]
    # A newline inside a cell would break the table apart.
    call.out.line(align("\n".join(lines)))


def inspect_template(text: str) -> Template:
    """The template of a command that shows one thing, not a list. Raises InvalidRequest with docker's words."""
    try:
        return Template(text)
    except BadTemplate as error:
        raise InvalidRequest(f"template parsing error: {error}") from None


def short_id(identifier: str) -> str:
    """Twelve characters of an ID, without its algorithm."""
    return identifier.removeprefix("sha256:")[:12]


def filters_query(given: list[tuple[str, str]]) -> dict[str, str | list[str]]:
    """--filter values as the API's `filters` parameter; nothing when there are none."""
    found: dict[str, dict[str, bool]] = {}
    for name, value in given:
        found.setdefault(name, {})[value] = True
    return {"filters": to_json(found)} if found else {}


def ellipsis(text: str, width: int) -> str:
    """`text`, its end replaced by … if it is longer than `width`."""
    return text if len(text) <= width else text[: width - 1] + "…"
