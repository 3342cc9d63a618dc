"""seccomp: a filter of system calls that allows whatever no rule denies, put together here and installed.

Theory: a rule is for some calls, by name; it applies when all of its conditions on their arguments hold, and
its action is what the call then comes to: an error number, or a notification that somebody else answers.  Of
several rules for a call the first that applies counts.  A filter is for good, holds for all children, and
several lie on each other: the strictest answer wins.  It sees arguments and nothing that they point to.

Calls of another architecture, and of x32, do not exist below it.  Calls that no rule names cost nothing: the
kernel remembers that they are allowed.  Source: https://docs.kernel.org/userspace-api/seccomp_filter.html.

Imports what a bare interpreter has at hand: it runs before every zygote (`runtime.process.confine.launch`).
"""

from __future__ import annotations

import ctypes
import os
import struct
from errno import ENOSYS

from runtime.process.confine import calls
from runtime.process.confine.landlock import give_up_new_privileges

ALLOW = 0x7FFF0000
NOTIFY = 0x7FC00000
"""The call waits until whoever holds the listener has answered for it."""
_ERRNO = 0x00050000

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
_X32 = 0x40000000
_PASS, _FAIL = -1, -2  # where a condition jumps to: the rule goes on with the next one, or does not apply

_INSTRUCTION = struct.Struct("=HBBI")
_PROGRAM = struct.Struct("@HP")
_SET_MODE_FILTER, _GET_ACTION_AVAIL = 1, 2
_NEW_LISTENER, _TSYNC, _TSYNC_ESRCH = 1 << 3, 1 << 0, 1 << 4

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long


class Condition:
    """Something about one argument of a call; made by the functions below."""

    def __init__(self, code: list[tuple[int, int, int, int]]) -> None:
        self.code = code


class Rule:
    """What becomes of some calls.

    Args:
        names: As in `calls`; those that an architecture has not are left out.
        action: `deny`, `NOTIFY` or `ALLOW`.
        when: All of it has to hold.
    """

    def __init__(self, names: str, action: int, *when: Condition) -> None:
        self.names = names.split()
        self.action = action
        self.when = when


def deny(number: int) -> int:
    """The action of failing with this error number."""
    return _ERRNO | number


def equals(argument: int, *values: int) -> Condition:
    """One of these, in 32 bits."""
    checks = [(_JUMP_EQUAL, _PASS, 0, value & 0xFFFFFFFF) for value in values[:-1]]
    return Condition([_low(argument), *checks, (_JUMP_EQUAL, _PASS, _FAIL, values[-1] & 0xFFFFFFFF)])


def differs(argument: int, *values: int) -> Condition:
    """None of these, in 32 bits."""
    checks = [(_JUMP_EQUAL, _FAIL, 0, value & 0xFFFFFFFF) for value in values]
    return Condition([_low(argument), *checks])


def has_any(argument: int, bits: int) -> Condition:
    """One of these 32 bits is set."""
    return Condition([_low(argument), (_JUMP_ANY_BIT, _PASS, _FAIL, bits)])


def masked(argument: int, bits: int, value: int) -> Condition:
    """Of these 32 bits just those of `value` are set."""
    return Condition([_low(argument), (_AND, 0, 0, bits), (_JUMP_EQUAL, _PASS, _FAIL, value)])


def within(argument: int, first: int, last: int) -> Condition:
    """From `first` to `last`, or all bits set: of users and groups, the one that there is."""
    return Condition(
        [
            _low(argument),
            (_JUMP_EQUAL, _PASS, 0, 0xFFFFFFFF),
            (_JUMP_AT_LEAST, 0, _FAIL, first),
            (_JUMP_AT_LEAST, _FAIL, _PASS, last + 1),
        ]
    )


def is_given(argument: int) -> Condition:
    """It is not zero, in 64 bits: a pointer that is none, for one."""
    high = (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument + 4)
    return Condition(
        [_low(argument), (_JUMP_EQUAL, 0, _PASS, 0), high, (_JUMP_EQUAL, _FAIL, _PASS, 0)],
    )


def program(rules: list[Rule], machine: str | None = None) -> bytes:
    """Put a filter together.

    Args:
        machine: As in ``os.uname``; of this machine if None.

    Raises:
        KeyError: Nothing is known of such machines.
        ValueError: A rule names a call that no machine has, or has too many conditions.
    """
    table = calls.of(machine)
    by_number: dict[int, list[Rule]] = {}
    for rule in rules:
        for name in rule.names:
            if (number := table.number(name)) is not None:
                by_number.setdefault(number, []).append(rule)
    no_such = (_RETURN, 0, 0, deny(ENOSYS))
    code = [(_LOAD, 0, 0, _ARCH_AT), (_JUMP_EQUAL, 1, 0, table.audit), no_such, (_LOAD, 0, 0, _NUMBER_AT)]
    if table.has_x32:
        code += [(_JUMP_AT_LEAST, 0, 1, _X32), no_such]
    for number, of_it in by_number.items():
        body = [instruction for rule in of_it for instruction in _rule(rule)]
        if of_it[-1].when:
            body.append((_RETURN, 0, 0, ALLOW))
        if len(body) > 255:
            raise ValueError("too many rules for one call")
        code += [(_JUMP_EQUAL, 0, len(body), number), *body]
    code.append((_RETURN, 0, 0, ALLOW))
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in code)


def install(filter: bytes, *, listener: bool = False, all_threads: bool = False) -> int | None:
    """Put the calling thread below a filter, and whatever it starts from now on.

    Args:
        listener: There are rules that notify: their calls wait for who holds the descriptor that is returned.
        all_threads: The other threads of this process, too.

    Raises:
        OSError: The kernel has no filters, or refuses this one.
    """
    give_up_new_privileges()
    held = ctypes.create_string_buffer(filter, len(filter))
    told = _PROGRAM.pack(len(filter) // _INSTRUCTION.size, ctypes.addressof(held))
    flags = (_NEW_LISTENER if listener else 0) | (_TSYNC if all_threads else 0)
    flags |= _TSYNC_ESRCH if listener and all_threads else 0
    result = _call(_SET_MODE_FILTER, flags, told)
    return result if listener else None


def is_there() -> bool:
    """Whether the kernel has filters, and we know the numbers of this machine's calls."""
    try:
        calls.of(None)
        _call(_GET_ACTION_AVAIL, 0, struct.pack("=I", _ERRNO))
    except (KeyError, OSError):
        return False
    return True


def _call(operation: int, flags: int, argument: bytes) -> int:
    number = calls.of(None).number("seccomp")
    assert number is not None
    result = _syscall(
        ctypes.c_long(number), ctypes.c_uint(operation), ctypes.c_uint(flags), ctypes.c_char_p(argument)
    )
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(result)


def _low(argument: int) -> tuple[int, int, int, int]:
    return (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument)  # both architectures put the low half first


def _rule(rule: Rule) -> list[tuple[int, int, int, int]]:
    """Conditions one behind the other, and the action; whoever fails goes on behind it."""
    parts = [condition.code for condition in rule.when]
    length = sum(map(len, parts)) + 1
    code: list[tuple[int, int, int, int]] = []
    for part in parts:
        ends = len(code) + len(part)
        for operation, if_true, if_false, value in part:
            here = len(code) + 1
            to = {_PASS: ends - here, _FAIL: length - here}
            code.append((operation, to.get(if_true, if_true), to.get(if_false, if_false), value))
    code.append((_RETURN, 0, 0, rule.action))
    return code
