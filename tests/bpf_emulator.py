"""What does a classic BPF program answer? The machine of linux/filter.h, as far as seccomp has it, for tests.

It is as strict as the kernel's verifier (seccomp_check_filter and bpf_check_classic in Linux): jumps stay inside, loads
are aligned and inside struct seccomp_data, the program ends with an answer.
"""

import struct
from collections.abc import Sequence

LOAD, AND, JUMP, JEQ, JGT, JGE, JSET, RET = 0x20, 0x54, 0x05, 0x15, 0x25, 0x35, 0x45, 0x06
SIZE_OF_DATA = 64
AUDIT_ARCH = {"x86_64": 0xC000003E, "i386": 0x40000003, "aarch64": 0xC00000B7, "arm": 0x40000028}

KILL_PROCESS = 0x80000000
ALLOW = 0x7FFF0000


def errno_answer(number: int) -> int:
    """SECCOMP_RET_ERRNO with an errno."""
    return 0x00050000 | number


class Machine:
    """A loaded program."""

    def __init__(self, program: bytes) -> None:
        self.code = list(struct.iter_unpack("=HBBI", program))
        self.steps = 0
        self._check()

    def run(self, arch: int, number: int, arguments: Sequence[int] = ()) -> int:
        """The answer to one system call; `steps` then says how many instructions it took."""
        full = [*arguments, 0, 0, 0, 0, 0, 0][:6]
        words = struct.unpack("=16I", struct.pack("=IIQ6Q", number & 0xFFFFFFFF, arch, 0, *full))
        code, accumulator, counter, steps = self.code, 0, 0, 0
        while True:
            operation, yes, no, operand = code[counter]
            counter += 1
            steps += 1
            if operation == LOAD:
                accumulator = words[operand >> 2]
            elif operation == JEQ:
                counter += yes if accumulator == operand else no
            elif operation == JGE:
                counter += yes if accumulator >= operand else no
            elif operation == JGT:
                counter += yes if accumulator > operand else no
            elif operation == RET:
                self.steps = steps
                return int(operand)
            elif operation == JUMP:
                counter += operand
            elif operation == AND:
                accumulator &= operand
            elif operation == JSET:
                counter += yes if accumulator & operand else no

    def _check(self) -> None:
        assert 0 < len(self.code) <= 4096, "BPF_MAXINSNS"
        assert self.code[-1][0] == RET, "the program runs off its end"
        for place, (operation, yes, no, operand) in enumerate(self.code):
            left = len(self.code) - place - 1
            if operation == LOAD:
                assert operand % 4 == 0 and operand < SIZE_OF_DATA, f"load of word {operand}"
            elif operation == JUMP:
                assert operand < left, "jump beyond the end"
            elif operation in (JEQ, JGT, JGE, JSET):
                assert yes < left and no < left, "jump beyond the end"
            else:
                assert operation in (AND, RET), f"instruction {operation:#x} is not used by sampan"
