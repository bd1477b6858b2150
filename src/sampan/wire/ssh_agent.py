"""How do questions to an SSH agent travel from a build to its client, and back?

The client opens a connection beside the build and keeps it; on it the engine asks and the client answers:

    question   number u32 │ size u32 │ length of the agent's id u8 │ id │ message
    answer     number u32 │ size u32 │ message

All numbers are big-endian; a message is the agent's own, without its length (draft-ietf-sshm-ssh-agent, section 3).
As with BuildKit, a build may list keys and have something signed, and nothing else: it cannot add, remove or lock.
"""

import struct

HEAD = struct.Struct(">II")
LENGTH = struct.Struct(">I")
MESSAGE_MAX = 256 << 10  # OpenSSH's own limit
ID_MAX = 64
SIZE_MAX = MESSAGE_MAX + ID_MAX + 1

FAILURE = b"\x05"
REQUEST_IDENTITIES, IDENTITIES = 11, 12
SIGN, SIGNED = 13, 14


def may_ask(message: bytes) -> bool:
    """Whether a build may ask an agent this."""
    return bool(message) and message[0] in (REQUEST_IDENTITIES, SIGN)


def question(number: int, agent: str, message: bytes) -> bytes:
    """One question to the agent of that id. Its lengths were checked before."""
    name = agent.encode()
    payload = bytes((len(name),)) + name + message
    return HEAD.pack(number, len(payload)) + payload


def answer(number: int, message: bytes) -> bytes:
    """The answer to a question."""
    return HEAD.pack(number, len(message)) + message


def parse_question(payload: bytes) -> tuple[str, bytes]:
    """The agent's id and the message. Raises ValueError."""
    if not payload or len(payload) < 1 + payload[0]:
        raise ValueError("a question that is cut off")
    return payload[1 : 1 + payload[0]].decode(), payload[1 + payload[0] :]
