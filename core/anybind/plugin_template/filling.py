"""Filling in the templates. ``$`` in them stands for what ``_values`` gives."""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from string import Template

from anybind.registry import Registry
from anybind.version import installed_version

NEW = "signal"  # the kind of sample that a new modality begins with
# Kind of sample -> the extra of anybind that loads it. Each has a file under samples/, and so has NEW.
EXTRAS = {"audio": "audio", "depth": "image", "image": "image", "imu": "", "text": "", "vector": "", "video": "video"}
ENDINGS = {"encoder": "features", "dataset": "labelled"}  # of the names of what the plugin brings
# What the data set pairs samples with; a plugin for texts cannot use texts.
_TEXT_LABELS = {
    "labels": "text",
    "label_value": "label",
    "label_text": 'f"{pitch} {strength}"',
    "label_encoder": "{use: toy-text}",
}
_VECTOR_LABELS = {
    "labels": "vector",
    "label_value": "[float(number) for number in label.split()]",
    "label_text": 'f"{PITCHES[pitch] / 10} {STRENGTHS[strength]}"',
    "label_encoder": "{use: vectors, dim: 2}",
}
_OWN_MODALITY = "src/PACKAGE/modality.py.tmpl"


def filled(short: str, modality: str, kind: str, registry: Registry) -> dict[str, str]:
    """Path within the plugin's folder -> text, for every file.

    Args:
        short: The plugin's name, without ``anybind-``.
        modality: The modality its encoder reads.
        kind: The kind of sample that has: a key of ``EXTRAS``, or ``NEW``.
        registry: What is installed.
    """
    values = _values(short, modality, kind, registry)
    texts = {}
    for place, template in _templates(kind):
        if kind == NEW or place != _OWN_MODALITY:
            target = place.removesuffix(".tmpl").replace("PACKAGE", values["package"])
            texts[target] = Template(template.read_text("utf-8")).substitute(values)
    return texts


def _values(short: str, modality: str, kind: str, registry: Registry) -> dict[str, str]:
    """What the templates' ``$`` stand for."""
    labels = _VECTOR_LABELS if kind == "text" else _TEXT_LABELS
    extra = f"[{EXTRAS[kind]}]" if EXTRAS.get(kind) else ""
    return {
        "name": short,
        "distribution": f"anybind-{short}",
        "package": _package(short),
        "modality": modality,
        "encoder": f"{short}-{ENDINGS['encoder']}",
        "dataset": f"{short}-{ENDINGS['dataset']}",
        "encoder_class": f"{_camel(short)}Features",
        "dataset_class": f"{_camel(short)}Labelled",
        "modality_class": _camel(modality),
        "requirement": f"anybind{extra}{_bounds(installed_version())}",
        **labels,
        **_hooks(short, modality, kind, registry),
    }


def _hooks(short: str, modality: str, kind: str, registry: Registry) -> dict[str, str]:
    """The parts of plugin.py and examples.py that only a plugin with a modality of its own has."""
    blank = {"modality_hook": "", "modality_example_spec": "", "modality_example": "", "import_more": ""}
    if modality in registry.modalities:
        return blank
    package = _package(short)
    if kind != NEW:
        same = f'kind="{kind}", factory="{registry.modality(kind).spec.factory}"'
        return {**blank, "modality_hook": _part("modality_hook", name=modality, how=same)}
    own = f'factory="{package}.modality:{_camel(modality)}"'
    return {
        "modality_hook": _part("modality_hook", name=modality, how=own),
        "modality_example_spec": _part("modality_example_spec", name=modality, package=package),
        "modality_example": _part("modality_example"),
        "import_more": ", ModalityExample",
    }


def _part(part: str, **values: str) -> str:
    text = files(__package__).joinpath("parts", f"{part}.py.tmpl").read_text("utf-8")
    return Template(text).substitute(values)


def _templates(kind: str) -> list[tuple[str, Traversable]]:
    """(place, template) of every file, the place with PACKAGE in it."""
    root = files(__package__)
    found = list(_below(root.joinpath("project"), ""))
    return [*found, ("src/PACKAGE/samples.py.tmpl", root.joinpath("samples", f"{kind}.py.tmpl"))]


def _below(folder: Traversable, place: str) -> list[tuple[str, Traversable]]:
    found = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        here = f"{place}{entry.name}"
        if entry.is_dir():
            found += _below(entry, f"{here}/")
        elif here.endswith(".tmpl"):
            found.append((here, entry))
    return found


def _package(short: str) -> str:
    return f"anybind_{short.replace('-', '_')}"


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]+", name))


def _bounds(version: str) -> str:
    """From this minor version to before the next that may break: 0.1.3 gives ``>=0.1,<0.2``, 2.4.0 ``>=2.4,<3``."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    major, minor = (int(number) for number in numbers.groups()) if numbers else (0, 1)
    return f">={major}.{minor},<{f'{major}.{minor + 1}' if major == 0 else major + 1}"
