"""How is a classic BPF program put together?

Backwards. A BPF jump goes forward only, and a conditional one at most 255 instructions. Written from the last
instruction to the first, every target already stands when a jump to it is written: its distance is known at once, and
where it is too far, a plain jump (which reaches everywhere) is written first and jumped to instead. So a program is
built like an expression, from its answers to its first question:

    no = program.ret(ERRNO | EPERM)
    yes = program.ret(ALLOW)
    program.load(0, program.branch(JEQ, 39, yes, no))     # if word 0 is 39: allow, else refuse

Instructions: linux/bpf_common.h, linux/filter.h, Documentation/networking/filter.rst. Only those whose outcome Linux
(5.11 and later) can precompute are used, so that a call that is always allowed costs one bit test and no BPF at all.
"""

import struct
from typing import NewType

from sampan.errors import InvalidRequest
from sampan.linux.seccomp import MAX_INSTRUCTIONS

# Which instruction, counted from the end of the program.
Label = NewType("Label", int)

LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS: A = the 32-bit word at offset k
AND = 0x54  # BPF_ALU | BPF_AND | BPF_K: A &= k
JUMP = 0x05  # BPF_JMP | BPF_JA: skip k
JEQ = 0x15  # BPF_JMP | BPF_JEQ | BPF_K: A == k
JGT = 0x25  # … A > k, unsigned
JGE = 0x35  # … A >= k, unsigned
RET = 0x06  # BPF_RET | BPF_K: answer k

_REACH = 255  # jt and jf are 8 bits wide


class Program:
    """A program, growing from its end to its beginning."""

    def __init__(self) -> None:
        self._code: list[tuple[int, int, int, int]] = []
        self._answers: dict[int, Label] = {}

    def ret(self, answer: int) -> Label:
        """Answer."""
        label = self._answers.get(answer)
        # The margin leaves room for the comparisons that lie between here and the jump.
        if label is None or self._distance(label) > _REACH // 2:
            label = self._answers[answer] = self._append(RET, 0, 0, answer)
        return label

    def load(self, offset: int, then: Label) -> Label:
        """Look at the word at `offset` of struct seccomp_data, then go on at `then`."""
        self._continue_at(then)
        return self._append(LOAD, 0, 0, offset)

    def mask(self, bits: int, then: Label) -> Label:
        """Keep only `bits` of the word looked at."""
        self._continue_at(then)
        return self._append(AND, 0, 0, bits)

    def branch(self, test: int, operand: int, yes: Label, no: Label) -> Label:
        """Compare the word looked at with `operand`; `test` is JEQ, JGT or JGE."""
        # One less than the reach, because a plain jump written for `no` moves `yes` one further away.
        if self._distance(yes) > _REACH - 1:
            yes = self._jump(yes)
        if self._distance(no) > _REACH:
            no = self._jump(no)
        return self._append(test, self._distance(yes), self._distance(no), operand)

    def encode(self) -> bytes:
        """The program as an array of struct sock_filter, in the byte order of this machine.

        Raises InvalidRequest if it is longer than the kernel takes.
        """
        if len(self._code) > MAX_INSTRUCTIONS:
            raise InvalidRequest(
                f"seccomp profile: its filter would have {len(self._code)} instructions; "
                f"the kernel takes {MAX_INSTRUCTIONS} at most"
            )
        flat = [field for instruction in reversed(self._code) for field in instruction]
        return struct.pack("=" + "HBBI" * len(self._code), *flat)

    def _distance(self, target: Label) -> int:
        """How many instructions lie between the next one written and `target`."""
        return len(self._code) - 1 - target

    def _continue_at(self, then: Label) -> None:
        if self._distance(then):
            self._jump(then)

    def _jump(self, target: Label) -> Label:
        code, _, _, operand = self._code[target]
        if code == RET:
            # Answering here is no longer than jumping to the answer.
            label = self._answers[operand] = self._append(RET, 0, 0, operand)
            return label
        return self._append(JUMP, 0, 0, self._distance(target))

    def _append(self, code: int, yes: int, no: int, operand: int) -> Label:
        self._code.append((code, yes, no, operand))
        return Label(len(self._code) - 1)
