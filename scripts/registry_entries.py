"""What registry.yaml lacks of our plugins: ``python scripts/registry_entries.py [--write] [NAME]...``

Asks every installed plugin of ``plugins/*`` (and the core for its modalities) what it provides, and prints as YAML
what the file does not say yet, of all names or of those given. ``--write`` puts that in, in its place and order.
Nothing that stands there with a source is changed: where file and plugin contradict each other, both are shown and
a person decides. A fact needs a source; where the weights name a repository of the hub that is it, elsewhere
``TODO`` is written, which the tests refuse. Exit code 1 when a person has something left to decide.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anybind.catalogue import Catalogue, Known, Provider, parse_catalogue
from anybind.plugins import discover
from anybind.registry import Registry
from anybind.specs import DatasetSpec, EncoderSpec, ModalitySpec

ROOT = Path(__file__).parents[1]
FILE = ROOT / "registry.yaml"
CORE = "anybind"
HUB = "https://huggingface.co/"
TODO = "TODO"
SECTIONS = {"modality": "modalities", "encoder": "encoders", "dataset": "datasets"}
# The keys of an entry, in the order of the file; those that need a source.
KEYS = ("title", "description", "modality", "modalities", "dim", "kind", "shared_space", "pairs", "licence",
        "homepage", "weights", "provided_by", "papers", "sources")  # fmt: skip
SOURCED = {"encoders": ("modality", "dim", "shared_space", "licence"), "datasets": ("modalities", "pairs", "licence")}
UNSOURCED = ("weights", "provided_by")  # what the plugin alone knows
OPEN = ("modalities", "dim", "licence", "weights")  # what the file may know where a plugin says nothing


@dataclass
class Entry:
    """One name: what is to be added, and what cannot both be right."""

    section: str
    name: str
    is_new: bool
    added: dict[str, Any] = field(default_factory=dict)
    contradictions: list[str] = field(default_factory=list)

    @property
    def in_order(self) -> bool:
        """True when the file says what the plugin does."""
        return not self.is_new and not self.added and not self.contradictions


def our_plugins() -> dict[str, str]:
    """Distribution -> version, of the plugins in this repository."""
    projects = [tomllib.loads(path.read_text("utf-8"))["project"] for path in ROOT.glob("plugins/*/pyproject.toml")]
    return {project["name"]: project["version"] for project in projects}


def compare(catalogue: Catalogue, registry: Registry) -> list[Entry]:
    """Every name that plugins here provide or the file says they do; see ``Entry.in_order``."""
    ours, found = our_plugins(), []
    for kind, section in SECTIONS.items():
        known = dict(catalogue.section(kind))
        wanted = {*ours, CORE} if kind == "modality" else set(ours)
        provided = {name: entry for name, entry in registry.entries(kind).items() if entry.distribution in wanted}
        for name, installed in provided.items():
            facts = facts_of(installed.spec, installed.distribution)
            found.append(_compared(section, name, facts, known.get(name)))
        for name in known.keys() - provided.keys():
            if known[name].provided_by is not None:
                nobody = f"provided_by: {_shown(known[name].provided_by)}, which does not provide it"
                found.append(Entry(section, name, False, contradictions=[nobody]))
    return sorted(found, key=lambda entry: (list(SECTIONS.values()).index(entry.section), entry.name))


def facts_of(spec: Any, distribution: str) -> dict[str, Any]:
    """What an entry should say; None where the plugin leaves it open."""
    provider = {"distribution": distribution, "published": False, "path": f"plugins/{distribution}"}
    if isinstance(spec, ModalitySpec):
        return {"kind": spec.kind, "provided_by": distribution}
    licence = None if spec.licence == "unknown" else spec.licence
    if isinstance(spec, DatasetSpec):
        modalities = None if spec.modalities is None else list(spec.modalities)
        return {"modalities": modalities, "licence": licence, "provided_by": provider}
    assert isinstance(spec, EncoderSpec)
    return {
        "modality": spec.modality, "dim": None if "dim" in spec.options else spec.dim,
        "shared_space": spec.shared_space, "licence": licence,
        "weights": None if spec.weights == "none" else spec.weights, "provided_by": provider,
    }  # fmt: skip


def _compared(section: str, name: str, facts: Mapping[str, Any], known: Known | None) -> Entry:
    entry = Entry(section, name, known is None)
    for key, value in facts.items():
        said = _plain(getattr(known, key, None))
        if key == "modalities" and said is not None and value is not None and set(said) == set(value):
            continue
        if said == value or (value is None and key in OPEN):
            continue
        if said is None or key in UNSOURCED:
            entry.added[key] = value
        else:
            entry.contradictions.append(f"{key}: the file says {said}, the plugin {value}")
    return entry


def _plain(value: Any) -> Any:
    if isinstance(value, Provider):
        return value.model_dump()
    return list(value) if isinstance(value, tuple) else value


def _shown(provider: Any) -> str:
    return provider.distribution if isinstance(provider, Provider) else str(provider)


def completed(entry: Entry, registry: Registry) -> dict[str, Any]:
    """What is added, with what an entry cannot do without: words for people, and sources."""
    kind = next(kind for kind, section in SECTIONS.items() if section == entry.section)
    spec = registry.entries(kind)[entry.name].spec
    added = {key: value for key, value in entry.added.items() if value is not None}
    if entry.is_new and entry.section != "encoders":
        added["title" if entry.section == "datasets" else "description"] = spec.description or TODO
    if entry.is_new and entry.section == "datasets":
        added.setdefault("modalities", None)
    repository = re.fullmatch(r"[\w.-]+/[\w.-]+", getattr(spec, "weights", ""))
    page = f"{HUB}{spec.weights}" if repository else TODO
    sources = {key: page for key in SOURCED.get(entry.section, ()) if added.get(key) is not None}
    if sources:
        added["sources"] = sources
    elif entry.is_new:
        added["sources"] = [page] if entry.section == "modalities" else {}
    return added


def with_entry(text: str, section: str, name: str, added: Mapping[str, Any]) -> str:
    """The file's text with keys added to (or put in place of those of) one entry; a new one goes in its place."""
    start, end = _span(text, rf"^{section}:\n", r"^\w", 0, len(text))
    entries = [(match[1], match.start()) for match in re.finditer(r"^  ([\w.-]+):\n", text[start:end], re.MULTILINE)]
    ends = [place for _, place in entries[1:]] + [end - start]
    for (other, place), following in zip(entries, ends, strict=True):
        if other == name:
            old = text[start + place : start + following]
            return text[: start + place] + _changed(old, name, added) + text[start + following :]
        if other > name:
            return text[: start + place] + _changed("", name, added) + text[start + place :]
    return text[:end] + _changed("", name, added) + text[end:]


def _span(text: str, begins: str, ends: str, start: int, stop: int) -> tuple[int, int]:
    begin = re.compile(begins, re.MULTILINE).search(text, start, stop)
    assert begin is not None, begins
    end = re.compile(ends, re.MULTILINE).search(text, begin.end(), stop)
    return begin.end(), len(text[: end.start()].rstrip()) + 1 if end else stop


def _changed(block: str, name: str, added: Mapping[str, Any]) -> str:
    """The lines of an entry, with keys added in the order of the file."""
    keys: dict[str, str] = {}
    for match in re.finditer(r"^    (\w+):.*\n(?:      .*\n)*", block, re.MULTILINE):
        keys[match[1]] = match[0]
    for key, value in added.items():
        if key == "sources" and "sources" in keys and isinstance(value, dict):
            stated = dict(re.findall(r"^      (\w+): (.*)$", keys["sources"], re.MULTILINE))
            lines = {**stated, **{fact: json.dumps(page) for fact, page in value.items() if fact not in stated}}
            ordered = sorted(lines, key=KEYS.index)
            keys[key] = "    sources:\n" + "".join(f"      {fact}: {lines[fact]}\n" for fact in ordered)
        else:
            keys[key] = "".join(_yaml_lines(key, value))
    return f"  {name}:\n" + "".join(keys[key] for key in sorted(keys, key=KEYS.index))


def _yaml_lines(key: str, value: Any) -> Iterator[str]:
    if value is None:
        yield f"    {key}: null\n"
    elif key == "modalities":
        yield f"    {key}: [{', '.join(value)}]\n"
    elif key == "sources" and isinstance(value, list):
        yield from ["    sources:\n", *(f"      - {json.dumps(page)}\n" for page in value)]
    elif isinstance(value, dict):
        yield f"    {key}:\n" if value else f"    {key}: {{}}\n"
        for part, content in value.items():
            yield f"      {part}: {json.dumps(content) if key == 'sources' else _scalar(content)}\n"
    else:
        quoted = key in ("title", "description", "licence", "weights")
        yield f"    {key}: {json.dumps(value, ensure_ascii=False) if quoted else _scalar(value)}\n"


def _scalar(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def main(arguments: list[str]) -> int:
    """Print, and write if that was asked for."""
    text, names = FILE.read_text("utf-8"), [argument for argument in arguments if not argument.startswith("-")]
    registry, _ = discover(disabled=frozenset())
    printed: dict[str, str] = {}
    left = 0
    for entry in compare(parse_catalogue(text, FILE.name), registry):
        if entry.in_order or (names and entry.name not in names):
            continue
        notes = [f"  # {entry.name}: {contradiction}\n" for contradiction in entry.contradictions]
        shown = "".join(notes)
        if entry.is_new or entry.added:
            added = completed(entry, registry)
            shown += _changed("", entry.name, added)
            text = with_entry(text, entry.section, entry.name, added)
        left += len(notes) + shown.count(TODO)
        printed[entry.section] = printed.get(entry.section, "") + shown
    print("".join(f"{section}:\n{shown}" for section, shown in printed.items()), end="")
    parse_catalogue(text, FILE.name)
    if "--write" in arguments:
        FILE.write_text(text, encoding="utf-8")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
