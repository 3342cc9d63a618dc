"""How a command fails: one sentence, one cure, one exit status."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from runtime.errors import ConfigError, PermissionDenied, RuntimeServiceError


class ExitCode(IntEnum):
    """Exit statuses, the same for every command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_READY = 3
    AUTH = 4
    INTERRUPTED = 130
    TERMINATED = 143


class CommandFailed(RuntimeServiceError):
    """The thing asked for did not happen; `exit_code` is what the shell gets, `detail` more lines to show."""

    code: ClassVar[str] = "command_failed"

    def __init__(
        self, message: str, *, cure: str = "", detail: str = "", exit_code: ExitCode = ExitCode.FAILED
    ) -> None:
        super().__init__(message, cure=cure)
        self.detail = detail
        self.exit_code = exit_code


def exit_code_of(error: RuntimeServiceError) -> ExitCode:
    """The exit status that says what kind of failure it was."""
    if isinstance(error, CommandFailed):
        return error.exit_code
    if isinstance(error, ConfigError):
        return ExitCode.USAGE
    if isinstance(error, PermissionDenied):
        return ExitCode.AUTH
    return ExitCode.FAILED
