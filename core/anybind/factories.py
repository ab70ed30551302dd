"""Building what a spec describes: import ``module:Class`` on use, and blame the right party when it fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires
from typing import Any

from anybind.errors import AnybindError, PluginError
from anybind.options import closest_name

# Modules whose distribution has another name, for those that plugins here are likely to need.
_DISTRIBUTION_OF = {
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "faiss": "faiss-cpu",
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "yaml": "pyyaml",
}
_REQUIREMENT = re.compile(
    r"^(?P<name>[\w.-]+)\s*(?P<versions>[^;]*)"  # e.g. pillow>=10.3
    r"(?:;.*?extra\s*==\s*['\"](?P<extra>[^'\"]+))?"  # ; extra == "image"
)


def load(label: str, factory: str, distribution: str, version: str) -> Any:
    """Import ``factory`` without calling it. Arguments and errors are those of ``build``."""
    with _blaming(label, factory, distribution, version):
        return _resolve(factory)


def build(label: str, factory: str, distribution: str, version: str, /, *args: Any, **kwargs: Any) -> Any:
    """Import ``factory`` and call it.

    Args:
        label: What is built, for messages, e.g. "encoder 'toy-text'".
        factory: ``"module:Class"``.
        distribution: The distribution that registered it.
        version: That distribution's version.
        *args: Positional arguments of the factory.
        **kwargs: Keyword arguments of the factory.

    Raises:
        PluginError: the factory cannot be imported, or raised something that is not an AnybindError.
        AnybindError: what the factory itself raises on purpose, unchanged.
    """
    with _blaming(label, factory, distribution, version):
        return _resolve(factory)(*args, **kwargs)


@contextmanager
def _blaming(label: str, factory: str, distribution: str, version: str) -> Iterator[None]:
    """Turn whatever a factory raises into an error that names its plugin."""
    try:
        yield
    except AnybindError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"{label} cannot be built",
            where=f"plugin {distribution} {version}, factory {factory}",
            got=f"{type(error).__name__}: {error}",
            hint=_hint(error, factory, distribution),
        ) from error


def _resolve(factory: str) -> Any:
    module_name, _, attribute = factory.partition(":")
    module = import_module(module_name)
    try:
        return getattr(module, attribute)
    except AttributeError:
        near = closest_name(attribute, (name for name in vars(module) if not name.startswith("_")))
        suggestion = f"; did you mean {near!r}?" if near else ""
        raise AttributeError(f"module {module_name!r} has no {attribute!r}{suggestion}") from None


def _hint(error: BaseException, factory: str, distribution: str) -> str:
    if not isinstance(error, ImportError):
        return f"this is a fault of {distribution} or of what it was given; report it there"
    missing = (error.name or "").partition(".")[0]
    if not missing or missing == factory.partition(":")[0].partition(".")[0]:
        return f"reinstall {distribution}: what it registered does not match what it installed"
    return how_to_install(missing, distribution)


def how_to_install(module: str, distribution: str = "anybind") -> str:
    """How to install the package that provides ``module``, from what ``distribution`` says it needs.

    Names that package itself, never ``distribution``: what is not published may be anyone's on a package index.
    """
    wanted = _normalised(_DISTRIBUTION_OF.get(module, module))
    try:
        requirements = requires(distribution) or []
    except PackageNotFoundError:
        requirements = []
    for requirement in requirements:
        match = _REQUIREMENT.match(requirement)
        if match and _normalised(match["name"]) == wanted:
            extra = match["extra"]
            reason = f"extra {extra!r} of {distribution}" if extra else f"needed by {distribution}"
            return f'pip install "{match["name"]}{match["versions"].strip()}" ({reason})'
    return f"install the package that provides the Python module {module!r}; see the README of {distribution}"


def _normalised(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).casefold()
