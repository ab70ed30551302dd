"""Reads the sections of a graph YAML, and checks them against names and each other.

Each function gives the plain fields of a model in ``models``. Where something is wrong it notes the
problem and gives what could be made out, so that one report can hold every problem.
"""

from __future__ import annotations

from typing import Any

from anybind.declaration.names import Names
from anybind.declaration.reader import Reader, dotted, is_name, one_of
from anybind.options import did_you_mean
from anybind.specs import EncoderSpec
from anybind.yaml_loader import YamlPath

REQUIRED = ("version", "name", "encoders", "datasets", "bind")
OPTIONAL = ("seeds", "modalities", "evaluate")
ENCODER_KEYS = ("use", "modality", "revision")
DATASET_KEYS = ("use", "modalities")
BIND_KEYS = ("targets", "method", "options")
EVALUATE_KEYS = ("dataset", "pair", "oracle", "baselines")
MAX_SEED = 2**32 - 1

_USE_WORDS = "a mapping such as {use: NAME}"
_PAIR_WORDS = "a pair of spaces such as [image, audio]"
_TARGETS_WORDS = "'all', or a list of pairs such as [[image, audio]]"
_EVALUATION_WORDS = "a mapping such as {dataset: {use: NAME}, pair: [image, audio]}"


def read_sections(reader: Reader, names: Names) -> dict[str, Any]:
    """The fields of ``Declaration``; right if ``reader`` has no problems afterwards."""
    reader.keys((), REQUIRED, OPTIONAL)
    fields: dict[str, Any] = {}
    for section, read in _SECTIONS.items():  # in order of dependence, whatever their order in the file
        if reader.has((section,)):
            fields[section] = read(reader, names, (section,))
    return fields


def _version(reader: Reader, _: Names, path: YamlPath) -> Any:
    version = reader.value(path)
    if not isinstance(version, int) or isinstance(version, bool) or version != 1:
        reader.wrong(path, "1")
    return version


def _name(reader: Reader, _: Names, path: YamlPath) -> str | None:
    return reader.name(path)


def _seeds(reader: Reader, _: Names, path: YamlPath) -> tuple[int, ...]:
    seeds: list[int] = []
    expected = f"whole numbers from 0 to {MAX_SEED}"
    for item in reader.items(path, f"a list of {expected}") or []:
        value = reader.value(item)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_SEED:
            reader.wrong(item, expected)
        elif value in seeds:
            reader.note(item, f"seeds: {value} is given twice")
        else:
            seeds.append(value)
    return tuple(seeds)


def _modalities(reader: Reader, names: Names, path: YamlPath) -> dict[str, dict[str, Any]]:
    fields = {}
    for entry in reader.entries(path, "a mapping such as {text_ja: {kind: text}}"):
        modality = str(entry[-1])
        names.kinds[modality] = None
        if reader.mapping(entry, "a mapping such as {kind: text}") is not None and reader.keys(
            entry, ["kind"], []
        ):
            names.kinds[modality] = kind = reader.name((*entry, "kind"), "the name of a modality")
            fields[modality] = {"kind": kind}
    for modality, kind in names.kinds.items():
        if kind is None or not _check_kind(reader, names, (*path, modality, "kind"), modality, kind):
            names.doubtful.add(modality)
    return fields


def _check_kind(reader: Reader, names: Names, path: YamlPath, modality: str, kind: str) -> bool:
    installed = names.installed_modality(modality)
    chain = [modality]
    while (above := names.kinds.get(chain[-1])) is not None and above not in chain:
        chain.append(above)
    if above is not None:
        reader.note(path, f"the kinds go round in a circle: {' → '.join([*chain, above])}")
        return False
    if installed is not None and installed.spec.kind != kind:
        known = f"of kind {installed.spec.kind}" if installed.spec.kind else "of no other kind"
        message = f"{installed.distribution} has a modality {modality!r} already, {known}"
        reader.note(path, message, hint="leave the entry out, or choose another name")
        return False
    return names.check_modality(path, kind)


def _encoders(reader: Reader, names: Names, path: YamlPath) -> dict[str, dict[str, Any]]:
    entries = reader.entries(path, "a mapping such as {image: {use: NAME}}")
    fields = {str(entry[-1]): _encoder(reader, names, entry) for entry in entries}
    value = reader.value(path)
    if isinstance(value, dict) and len(value) < 2:
        reader.note(path, "fewer than two encoders: there is nothing to bind", "at least two", key=True)
    return fields


def _encoder(reader: Reader, names: Names, path: YamlPath) -> dict[str, Any]:
    space = str(path[-1])
    names.spaces[space] = None
    entry = reader.mapping(path, _USE_WORDS)
    if entry is None:
        return {}
    names.spaces[space] = modality = _encoder_modality(reader, names, path)
    spec = names.encoder((*path, "use")) if reader.require(path, ["use"]) else None
    options = {key: value for key, value in entry.items() if key not in ENCODER_KEYS}
    revision = _revision(reader, path, spec)
    if spec is not None:
        names.check_options(path, options, spec.options, ENCODER_KEYS)
        if modality is not None:
            _check_reads(reader, names, (*path, "use"), spec, modality)
    return {
        "space": space,
        "modality": modality,
        "use": entry.get("use"),
        "revision": revision,
        "options": options,
    }


def _encoder_modality(reader: Reader, names: Names, path: YamlPath) -> str | None:
    """The modality the entry states, or its key in the short form; None after noting a problem."""
    if reader.has((*path, "modality")):
        stated = reader.name((*path, "modality"), "the name of a modality")
        return stated if stated and names.check_modality((*path, "modality"), stated) else None
    space = str(path[-1])
    return space if names.check_modality(path, space, key=True) else None


def _check_reads(reader: Reader, names: Names, path: YamlPath, spec: EncoderSpec, modality: str) -> None:
    chain = names.kind_chain(modality)
    if spec.modality not in chain and names.doubtful.isdisjoint(chain):
        message = f"the encoder {spec.name!r} reads {spec.modality}, not {modality}"
        others = names.encoders_for(modality)
        reader.note(
            path, message, f"an encoder for {modality}", f"installed: {', '.join(others)}" if others else None
        )


def _revision(reader: Reader, path: YamlPath, spec: EncoderSpec | None) -> Any:
    """The revision asked for. Most encoders have just one: asking such an encoder for another is an error."""
    path = (*path, "revision")
    revision = reader.value(path) if reader.has(path) else None
    if revision is not None and not (isinstance(revision, str) and revision):
        number = isinstance(revision, int | float) and not isinstance(revision, bool)
        reader.wrong(path, "a text", "write it in quotes" if number else None)
    elif spec is not None and revision not in (None, spec.revision) and "revision" not in spec.options:
        message = f"the installed encoder {spec.name!r} has another revision of its weights"
        reader.note(path, message, spec.revision, "install the version of its plugin that has yours")
    return revision


def _datasets(reader: Reader, names: Names, path: YamlPath) -> dict[str, dict[str, Any]]:
    fields = {}
    if reader.value(path) == {}:
        reader.wrong(path, "at least one data set")
    for entry in reader.entries(path, "a mapping such as {captions: {use: NAME}}"):
        fields[str(entry[-1])], held = _dataset(reader, names, entry)
        if held is not None:
            _check_joins(reader, names, entry, held)
    return fields


def _check_joins(reader: Reader, names: Names, path: YamlPath, held: tuple[str, ...]) -> None:
    read = dict.fromkeys(names.spaces.values())
    spaces = [space for space, modality in names.spaces.items() if modality in held]
    if len(spaces) < 2 and None not in read:
        message = f"the data set {path[-1]!r} holds fewer than two embedded modalities"
        expected = f"two of those with an encoder: {', '.join(m for m in read if m) or 'there are none'}"
        reader.note(path, message, expected, f"it holds {', '.join(held)}", key=True)


def _dataset(reader: Reader, names: Names, path: YamlPath) -> tuple[dict[str, Any], tuple[str, ...] | None]:
    """The fields of ``DatasetUse``, and the modalities the data set holds; None when these are not known."""
    entry = reader.mapping(path, _USE_WORDS)
    if entry is None:
        return {}, None
    spec = names.dataset((*path, "use")) if reader.require(path, ["use"]) else None
    offered = spec.modalities if spec is not None else None
    wanted = None
    if entry.get("modalities") is not None:
        wanted = offered = _wanted_modalities(reader, names, (*path, "modalities"), offered)
    options = {key: value for key, value in entry.items() if key not in DATASET_KEYS}
    if spec is not None:
        names.check_options(path, options, spec.options, DATASET_KEYS)
    return {"use": entry.get("use"), "modalities": wanted, "options": options}, offered


def _wanted_modalities(
    reader: Reader, names: Names, path: YamlPath, offered: tuple[str, ...] | None
) -> tuple[str, ...] | None:
    """The modalities listed; None after noting a problem with any of them."""
    right = []
    for item, name in reader.names(path, "a list of modalities such as [image, text]"):
        if offered is not None and name not in offered:
            hint = did_you_mean(name, offered)
            reader.note(item, f"the data set has no modality {name!r}", one_of(offered), hint)
        elif names.check_modality(item, name):
            right.append(name)
    value = reader.value(path)
    return tuple(right) if isinstance(value, list) and right and len(right) == len(value) else None


def _bind(reader: Reader, names: Names, path: YamlPath) -> dict[str, Any]:
    entry = reader.mapping(path, "a mapping such as {targets: all}")
    if entry is None:
        return {}
    fields = dict(entry)
    if reader.keys(path, BIND_KEYS[:1], BIND_KEYS[1:]):
        fields["targets"] = _targets(reader, names, (*path, "targets"))
    spec = names.binder((*path, "method"), default="auto")
    options = reader.mapping((*path, "options")) if "options" in entry else None
    if spec is not None and options is not None:
        names.check_options((*path, "options"), options, spec.options)
    return fields


def _targets(reader: Reader, names: Names, path: YamlPath) -> Any:
    value = reader.value(path)
    if value == "all":
        return value
    if isinstance(value, list) and len(value) == 2 and all(is_name(item) for item in value):
        reader.wrong(path, _TARGETS_WORDS, f"for one pair write [[{value[0]}, {value[1]}]]")
        return ()
    seen: dict[frozenset[str], tuple[str, str]] = {}
    for item in reader.items(path, _TARGETS_WORDS) or []:
        pair = _pair(reader, names, item)
        if pair is not None and frozenset(pair) in seen:
            reader.note(item, f"{dotted(path)}: the pair {pair[0]}, {pair[1]} is given twice")
        elif pair is not None:
            seen[frozenset(pair)] = pair
    return tuple(seen.values())


def _pair(reader: Reader, names: Names, path: YamlPath) -> tuple[str, str] | None:
    """Two different spaces; None after noting a problem."""
    value = reader.value(path)
    if not isinstance(value, list) or len(value) != 2:
        reader.wrong(path, _PAIR_WORDS)
        return None
    a, b = (names.space((*path, index)) for index in (0, 1))
    if a is not None and a == b:
        reader.note(path, f"{dotted(path)}: both are the space {a!r}", "two different spaces")
    return None if a is None or b is None or a == b else (a, b)


def _evaluate(reader: Reader, names: Names, path: YamlPath) -> tuple[dict[str, Any], ...]:
    if reader.value(path) == []:
        return ()
    items = reader.items(path, f"a list with {_EVALUATION_WORDS}") or []
    return tuple(_evaluation(reader, names, item) for item in items)


def _evaluation(reader: Reader, names: Names, path: YamlPath) -> dict[str, Any]:
    entry = reader.mapping(path, _EVALUATION_WORDS)
    if entry is None:
        return {}
    fields = dict(entry)
    reader.keys(path, EVALUATE_KEYS[:2], EVALUATE_KEYS[2:])
    pair = _pair(reader, names, (*path, "pair")) if "pair" in entry else None
    fields["pair"] = pair
    for part in ("dataset", "oracle"):
        if part in entry and (part == "dataset" or entry[part] is not None):
            fields[part], held = _dataset(reader, names, (*path, part))
            if pair is not None and held is not None:
                _check_holds(reader, names, (*path, part), held, pair)
    if "baselines" in entry:
        fields["baselines"] = _baselines(reader, names, (*path, "baselines"))
    return fields


def _baselines(reader: Reader, names: Names, path: YamlPath) -> tuple[str, ...]:
    if reader.value(path) == []:
        return ()
    found = reader.names(path, "a list of binder methods such as [ridge-chain, pcca]")
    for item, _ in found:
        names.binder(item)
    return tuple(name for _, name in found)


def _check_holds(
    reader: Reader, names: Names, path: YamlPath, held: tuple[str, ...], pair: tuple[str, str]
) -> None:
    needed = dict.fromkeys(names.spaces[space] for space in pair)
    lacking = [modality for modality in needed if modality is not None and modality not in held]
    if lacking:
        message = f"the data set does not hold {' and '.join(lacking)}, which the pair needs"
        reader.note(path, message, f"true pairs of {pair[0]} and {pair[1]}", f"it holds {', '.join(held)}")


_SECTIONS = {
    "version": _version,
    "name": _name,
    "seeds": _seeds,
    "modalities": _modalities,
    "encoders": _encoders,
    "datasets": _datasets,
    "bind": _bind,
    "evaluate": _evaluate,
}
