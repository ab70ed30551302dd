"""The Hub's client as anybind uses it: who asks, what is tried again, and what its errors mean for people."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from huggingface_hub import HfApi
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from anybind.errors import HubError
from anybind.version import installed_version

Answer = TypeVar("Answer")

# The base of everything that the client's HTTP library raises; its name changes with huggingface_hub's version.
TransportError: type[Exception] = HfHubHTTPError.__mro__[1]
NOT_THERE = (RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError)

_TRIES = 4
_FIRST_PAUSE = 0.5
_TRANSIENT = (429, 500, 502, 503, 504)
_LOG_IN = "log in: hf auth login, or set HF_TOKEN"


def api(endpoint: str | None, token: str | None) -> HfApi:
    """The client, which tells the Hub who asks."""
    return HfApi(endpoint=endpoint, token=token, library_name="anybind", library_version=installed_version())


def persistent(ask: Callable[[], Answer]) -> Answer:
    """Ask again when the Hub is busy or the connection breaks, a few times, waiting longer each time."""
    for attempt in range(_TRIES):
        try:
            return ask()
        except Exception as error:
            if attempt == _TRIES - 1 or not _is_transient(root_cause(error)):
                raise
            time.sleep(_FIRST_PAUSE * 2**attempt)
    raise AssertionError("not reached")


def root_cause(error: Exception) -> Exception:
    """The error itself, or what it was raised from where the client has wrapped it (it does so for uploads)."""
    cause = error.__cause__
    wrapped = type(error) is RuntimeError and isinstance(cause, HfHubHTTPError | TransportError)
    return cause if wrapped and isinstance(cause, Exception) else error


def _is_transient(error: Exception) -> bool:
    if isinstance(error, HfHubHTTPError):
        return status(error) in _TRANSIENT
    return isinstance(error, TransportError)


def status(error: BaseException) -> int | None:
    """The HTTP status an error of the client carries, if any."""
    code = getattr(getattr(error, "response", None), "status_code", None)
    return int(code) if code is not None else None


def unreachable(error: BaseException) -> bool:
    """Whether an error says that nobody answered, so that the cache is the next place to look."""
    if isinstance(error, OfflineModeIsEnabled | LocalEntryNotFoundError):
        return True
    if isinstance(error, HfHubHTTPError):
        return status(error) in _TRANSIENT
    return isinstance(error, TransportError)


@contextmanager
def talking_to_the_hub(repo_id: str, revision: str | None = None) -> Iterator[None]:
    """Turn what the client raises into a HubError that says what to do."""
    try:
        yield
    except HubError:
        raise
    except Exception as error:
        told = _explained(root_cause(error))
        if told is None:
            raise
        where = f"{repo_id} at {revision}" if revision else repo_id
        raise HubError(told.pop("what"), where=where, **told) from error


def _explained(error: Exception) -> dict[str, Any] | None:
    """What, got and hint for an error of the client; None for an error that is none of its."""
    code = status(error)
    got = str(error).strip().split("\n", 1)[0][:300]
    if isinstance(error, GatedRepoError):
        return {"what": "the repository is gated", "got": got, "hint": "ask for access on its page, and log in"}
    if isinstance(error, RevisionNotFoundError):
        return {"what": "the repository has no such revision", "got": got, "hint": "name a branch, tag or commit"}
    if isinstance(error, RepositoryNotFoundError):
        what = "there is no such repository, or it is private"
        return {"what": what, "got": got, "hint": f"check the name, or {_LOG_IN}"}
    if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
        return {"what": "the repository lacks a file", "got": got, "hint": "is it a binder that anybind pushed?"}
    by_code = {
        401: ("the Hub does not know who asks", _LOG_IN),
        403: ("the Hub does not allow this", "check that your token may write to this namespace"),
        409: ("the Hub refuses: it is there already", "choose another name"),
        412: ("somebody else has pushed meanwhile", "pull, look at what changed, and push again"),
    }
    if code in by_code:
        what, hint = by_code[code]
        return {"what": what, "got": got, "hint": hint}
    if isinstance(error, OfflineModeIsEnabled):
        return {"what": "offline mode is on", "got": got, "hint": "unset HF_HUB_OFFLINE"}
    if isinstance(error, LocalEntryNotFoundError):
        return {"what": "the Hub cannot be reached, and the cache does not have it", "got": got}
    if isinstance(error, HFValidationError):
        return {"what": "this is no repository's name", "got": got, "expected": "owner/name"}
    if isinstance(error, HfHubHTTPError):
        return {"what": "the Hub did not answer as it should", "got": got, "hint": "try again later"}
    if isinstance(error, TransportError):
        return {"what": "the Hub cannot be reached", "got": got, "hint": "check the network, and try again"}
    return None
