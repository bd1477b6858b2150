"""Do programs written backwards jump where they should, however far?"""

import pytest

from bpf_emulator import Machine
from sampan.errors import InvalidRequest
from sampan.runtime.bpf_program import JEQ, JGE, Program

ARCH = 0


def test_a_question_and_its_two_answers() -> None:
    program = Program()
    no, yes = program.ret(1), program.ret(2)
    program.load(0, program.branch(JEQ, 39, yes, no))
    machine = Machine(program.encode())
    assert [machine.run(ARCH, number) for number in (38, 39, 40)] == [1, 2, 1]
    assert len(machine.code) == 4


@pytest.mark.parametrize("between", [0, 1, 100, 252, 253, 254, 255, 256, 257, 300, 1000])
@pytest.mark.parametrize("far_yes", [True, False])
def test_targets_at_any_distance_are_reached(between: int, far_yes: bool) -> None:
    program = Program()
    far = program.mask(0xFFFFFFFF, program.ret(1))
    end = program.ret(3)
    for number in range(between):
        end = program.branch(JEQ, 1000 + number, end, end)
    near = program.mask(0xFFFFFFFF, end)
    entry = program.branch(JGE, 7, far, near) if far_yes else program.branch(JGE, 7, near, far)
    program.load(0, entry)
    machine = Machine(program.encode())
    above, below = (1, 3) if far_yes else (3, 1)
    assert (machine.run(ARCH, 7), machine.run(ARCH, 6)) == (above, below)


@pytest.mark.parametrize("between", range(250, 260))
def test_two_far_targets_are_both_reached(between: int) -> None:
    program = Program()
    first = program.mask(0xFFFFFFFF, program.ret(1))
    second = program.mask(0xFFFFFFFF, program.ret(2))
    end = program.ret(3)
    for number in range(between):
        end = program.branch(JEQ, 1000 + number, end, end)
    program.load(0, program.branch(JGE, 7, first, second))
    machine = Machine(program.encode())
    assert (machine.run(ARCH, 7), machine.run(ARCH, 6)) == (1, 2)


def test_a_step_whose_next_step_lies_elsewhere_jumps_there() -> None:
    program = Program()
    there = program.mask(0xF, program.ret(1))
    program.ret(2)
    program.load(0, there)
    assert Machine(program.encode()).run(ARCH, 5) == 1


def test_the_same_answer_is_written_once_within_reach() -> None:
    program = Program()
    assert program.ret(5) == program.ret(5)
    assert program.ret(5) != program.ret(6)


def test_a_program_longer_than_the_kernel_takes_is_refused() -> None:
    program = Program()
    end = program.ret(0)
    for _ in range(4095):
        end = program.mask(1, end)
    assert len(program.encode()) == 4096 * 8
    program.mask(1, end)
    with pytest.raises(InvalidRequest, match="4097 instructions"):
        program.encode()
