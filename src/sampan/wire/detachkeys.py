"""Which bytes make an attached terminal let go of its container?

`ctrl-p,ctrl-q` and the like: keys separated by commas, each a single character or `ctrl-` and one of a-z @ [ \\ ] ^ _.
Standard library only, shared with the client.
"""

from sampan.errors import InvalidRequest

DEFAULT = b"\x10\x11"
_MOST_KEYS = 16


def parse(text: str) -> bytes:
    """The bytes that `text` names; "" is `ctrl-p,ctrl-q`. Raises InvalidRequest."""
    if not text:
        return DEFAULT
    keys = text.split(",")
    if len(keys) > _MOST_KEYS:
        raise InvalidRequest(f"Invalid detach keys ({text}) provided")
    return bytes(_byte(key, text) for key in keys)


def _byte(key: str, text: str) -> int:
    if key == "DEL":
        return 127
    if len(key) == 1 and key.isascii():
        return ord(key)
    letter = key.removeprefix("ctrl-")
    if letter != key and len(letter) == 1 and (letter.islower() or letter in "@[\\]^_") and letter.isascii():
        # A terminal sends ctrl with a letter as the letter's low five bits.
        return ord(letter) & 0x1F
    raise InvalidRequest(f"Invalid detach keys ({text}) provided")
