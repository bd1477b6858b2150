"""Do columns line up as Go's tabwriter lines them up?"""

from hypothesis import given
from hypothesis import strategies as st

from sampan.cli.tabular import align

CELLS = st.lists(st.text("abc ", max_size=14), min_size=3, max_size=3)


def test_a_table_of_docker() -> None:
    text = "CONTAINER ID\tIMAGE\tPORTS\tNAMES\n5a7b5d180de2\tbusybox\t\tcli-a"
    assert align(text) == "CONTAINER ID   IMAGE     PORTS     NAMES\n5a7b5d180de2   busybox             cli-a"


def test_a_line_without_cells_ends_a_column() -> None:
    assert align("aaaaaaaaaaaaaaa\tb\n\nc\td") == "aaaaaaaaaaaaaaa   b\n\nc         d"


def test_the_width_of_top() -> None:
    assert align("UID\tPID\nroot\t1", min_width=20) == "UID                 PID\nroot                1"


@given(st.lists(CELLS, min_size=1, max_size=6))
def test_columns_start_at_the_same_place_and_keep_their_text(rows: list[list[str]]) -> None:
    lines = align("\n".join("\t".join(row) for row in rows)).split("\n")
    start = 0
    for column in range(3):
        for row, line in zip(rows, lines, strict=True):
            assert line[start:].startswith(row[column])
        start += max(10, *(len(row[column]) + 3 for row in rows))
