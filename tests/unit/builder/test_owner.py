"""--chmod and --chown, as chmod(1) and the stage's own user files have them."""

import pytest

from sampan.builder.owner import changed_mode, check_chmod
from sampan.errors import InvalidRequest


@pytest.mark.parametrize(
    ("text", "mode", "is_directory", "wanted"),
    [
        ("644", 0o755, False, 0o644),
        ("04755", 0o600, False, 0o4755),
        ("u+x", 0o644, False, 0o744),
        ("go-rwx", 0o755, False, 0o700),
        ("a=r", 0o777, False, 0o444),
        ("+x", 0o600, False, 0o711),
        ("u=rwX,go=rX", 0o600, False, 0o644),
        ("u=rwX,go=rX", 0o700, True, 0o755),
        ("u+s,+t", 0o755, False, 0o5755),
        ("", 0o640, False, 0o640),
    ],
)
def test_modes(text: str, mode: int, is_directory: bool, wanted: int) -> None:
    assert changed_mode(text, mode, is_directory=is_directory) == wanted


@pytest.mark.parametrize("text", ["999", "8", "u+q", "rwx", "77777", "u=", "-1"])
def test_what_is_no_mode_is_refused(text: str) -> None:
    if text == "u=":
        assert changed_mode(text, 0o755, is_directory=False) == 0o055
        return
    with pytest.raises(InvalidRequest, match="invalid chmod parameter"):
        check_chmod(text)
