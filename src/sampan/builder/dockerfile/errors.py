"""Where in a Dockerfile is the mistake, and what was probably meant?

The first line of an error is BuildKit's sentence; below it stand file, line and column and the lines themselves.
"""

from collections.abc import Iterable

from sampan.errors import InvalidRequest

LINES_AROUND = 2
LINE_SHOWN = 160
DISTANCE_MAX = 3


class DockerfileError(InvalidRequest):
    """A mistake in a Dockerfile; `line` and `column` count from 1, 0 means the file as a whole."""

    def __init__(self, sentence: str, *, line: int = 0, end_line: int = 0, column: int = 1, shown: str = "") -> None:
        super().__init__(f"{sentence}\n{shown}" if shown else sentence)
        self.sentence = sentence
        self.line = line
        self.end_line = end_line or line
        self.column = column


def located(error: InvalidRequest, line: int, end_line: int = 0, column: int = 1) -> DockerfileError:
    """The same error with its place, unless it has one."""
    if isinstance(error, DockerfileError):
        return error
    sentence = str(error)
    if not sentence.startswith("dockerfile parse error"):
        sentence = f"dockerfile parse error on line {line}: {sentence}"
    return DockerfileError(sentence, line=line, end_line=end_line, column=column)


def with_excerpt(error: DockerfileError, text: str, name: str = "Dockerfile") -> DockerfileError:
    """The same error with the lines around it, as BuildKit's client prints them."""
    if not error.line:
        return error
    shown = excerpt(text, error.line, error.end_line, column=error.column, name=name)
    return DockerfileError(error.sentence, line=error.line, end_line=error.end_line, column=error.column, shown=shown)


def excerpt(text: str, first: int, last: int, *, column: int = 1, name: str = "Dockerfile") -> str:
    """The lines `first` to `last` marked, with two more on each side; long lines are cut."""
    lines = text.splitlines()
    last = min(last, first + 20)
    rows = [f"{name}:{first}:{column}", "-" * 20]
    for number in range(max(1, first - LINES_AROUND), min(len(lines), last + LINES_AROUND) + 1):
        mark = ">>>" if first <= number <= last else "   "
        rows.append(f"{number:4} | {mark} {lines[number - 1][:LINE_SHOWN]}".rstrip())
    return "\n".join([*rows, "-" * 20])


def meant(word: str, known: Iterable[str]) -> str:
    """` (did you mean X?)` when one of the known words is near, else nothing."""
    best, best_distance = "", DISTANCE_MAX + 1
    for each in known:
        if each.lower() == word.lower() and each != word:
            return f" (did you mean {each}?)"
        distance = _distance(word.lower(), each.lower())
        if distance < best_distance and distance < max(len(word), len(each)) / 2 + 1:
            best, best_distance = each, distance
    return f" (did you mean {best}?)" if best and best_distance > 0 else ""


def _distance(one: str, other: str) -> int:
    """Levenshtein's."""
    if abs(len(one) - len(other)) > DISTANCE_MAX:
        return DISTANCE_MAX + 1
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]
