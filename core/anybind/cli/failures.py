"""Every way a command can end badly, as one message and one exit code. Tracebacks only under --debug."""

from __future__ import annotations

import sys
import traceback

import click

from anybind.cli.output import coloured, json_text
from anybind.errors import AnybindError, UsageError

INTERRUPTED = 130
_DEBUG_HINT = "run 'anybind --debug ...' for the traceback, and report it if it looks like a mistake of ours"


def report_failure(error: BaseException, *, as_json: bool, debug: bool) -> int:
    """Tell what went wrong on stderr, and on stdout too under --json; return the exit code."""
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, click.Abort | KeyboardInterrupt):
        shown, code = AnybindError("interrupted"), INTERRUPTED
    else:
        shown = _as_anybind_error(error)
        code = shown.exit_code
    click.echo(f"{coloured('error:', 'red', sys.stderr)} {shown}", file=sys.stderr)
    if as_json:
        click.echo(json_text({"error": {**shown.to_dict(), "exit_code": code}}, sys.stdout), file=sys.stdout)
    return code


def _as_anybind_error(error: BaseException) -> AnybindError:
    if isinstance(error, AnybindError):
        return error
    if isinstance(error, click.UsageError):
        return _usage(error)
    if isinstance(error, click.ClickException):
        return AnybindError(error.format_message())
    if isinstance(error, OSError) and error.strerror:
        return AnybindError(error.strerror, where=error.filename, hint=_DEBUG_HINT)
    return AnybindError(
        f"unexpected {type(error).__name__}: {' '.join(str(error).split())}".rstrip(": "), hint=_DEBUG_HINT
    )


def _usage(error: click.UsageError) -> UsageError:
    place = error.ctx.command_path if error.ctx is not None else "anybind"
    return UsageError(error.format_message(), where=place, hint=f"see: {place} --help")
