"""What the docs state as fact, compared with the code: commands, hooks, fields, options, keys, links."""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import anybind
from anybind import fit_data, hookspecs, specs
from anybind.artifact import CONFIG, FILES, Config, DatasetInfo, PathInfo, SpaceInfo
from anybind.builtin import plugin as builtin
from anybind.cli.app import COMMANDS
from anybind.declaration import sections
from anybind.plugins import installed_registry

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*ROOT.glob("*.md"), *DOCS.glob("**/*.md"), *ROOT.glob("plugins/*/README.md")]
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ (?P<title>.+)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`]+)`")

Row = tuple[str, ...]


def text_of(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def rows(page: str, *, below: str | None = None) -> list[Row]:
    """Cells of the tables on a page (or between one of its headings and the next), code marks taken off."""
    text = text_of(page)
    if below is not None:
        _, found, rest = f"\n{text}".partition(f"\n{below}\n")
        assert found, f"{page} has no heading {below!r}"
        text = re.split(r"^#", rest, maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [tuple(cell.strip().strip("`") for cell in line.strip("|").split("|")) for line in lines]
    return [row for row in cells if not set("".join(row)) <= set("-")]


# ---------------------------------------------------------------------------- the command line


def cli_page() -> Any:
    spec = importlib.util.spec_from_file_location("build_cli", DOCS / "build_cli.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_command_page_is_up_to_date() -> None:
    assert text_of("docs/cli.md") == cli_page().page(), "run: python docs/build_cli.py"


@pytest.mark.parametrize("command", ["run", "plugins list"])
def test_the_command_page_shows_what_people_see(command: str) -> None:
    environment = {**os.environ, "COLUMNS": "80", "PYTHONPATH": str(ROOT / "core")}
    shown = subprocess.run(
        [sys.executable, "-m", "anybind", *command.split(), "--help"],
        env=environment, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert f"## `anybind {command}`\n\n```text\n{shown}```\n" in text_of("docs/cli.md")


def test_the_readme_lists_every_command() -> None:
    listed = {name: summary for name, summary, *_ in rows("README.md", below="## From files: a graph")}
    assert {name: listed.get(name) for name in COMMANDS} == COMMANDS


# ---------------------------------------------------------------------------- plugins


def test_the_table_of_hooks_is_that_of_the_contract() -> None:
    contract = {
        f"{name}{str(inspect.signature(hook)).replace(chr(39), '')}": (hook.__doc__ or "").strip()
        for name, hook in inspect.getmembers(hookspecs, inspect.isfunction)
        if name.startswith("anybind_")
    }
    listed = {hook: f"Return {what}." for hook, what, _ in rows("docs/plugins.md", below="## The hooks")[1:]}
    assert listed == contract, "edit the table under 'The hooks' in docs/plugins.md"


@pytest.mark.parametrize(
    "spec", ["ModalitySpec", "EncoderSpec", "DatasetSpec", "BinderSpec", "ExampleSpec", "OptionSpec"]
)
def test_the_fields_of_specs_are_those_of_the_models(spec: str) -> None:
    fields = {name: field.description for name, field in getattr(specs, spec).model_fields.items()}
    assert dict(rows("docs/plugins.md", below=f"### {spec}")[1:]) == fields


# ---------------------------------------------------------------------------- options and keys


def shown_options(options: dict[str, specs.OptionSpec]) -> set[Row]:
    return {(name, option.type, shown_default(option)) for name, option in options.items()}


def shown_default(option: specs.OptionSpec) -> str:
    if option.required:
        return "required"
    if isinstance(option.default, bool):
        return str(option.default).lower()
    return "" if option.default is None else str(option.default)


@pytest.mark.parametrize("spec", builtin.anybind_binders(), ids=lambda spec: spec.name)
def test_every_option_of_a_method_is_explained(spec: specs.BinderSpec) -> None:
    listed = [row for row in rows(f"docs/methods/{spec.name}.md") if row[0] != "option" and len(row) == 4]
    assert {row[:3] for row in listed} == shown_options(spec.options)
    for option in spec.options.values():
        explained = " ".join(row[3] for row in listed)
        assert all(str(choice) in explained for choice in option.choices)


def test_every_built_in_method_is_compared() -> None:
    listed = {re.sub(r"\[`?([\w-]+)`?\].*", r"\1", row[0]) for row in rows("docs/methods.md", below="# Methods")[1:]}
    assert listed == {spec.name for spec in builtin.anybind_binders()}


def test_every_option_of_a_built_in_data_set_is_listed() -> None:
    listed = {row[:3] for row in rows("docs/graph-yaml.md", below="## Data sets that are built in")}
    declared = [shown_options(spec.options) for spec in builtin.anybind_datasets()]
    assert listed - {("option", "type", "default")} == set().union(*declared)
    for spec in builtin.anybind_datasets():
        assert f"`{spec.name}` reads" in text_of("docs/graph-yaml.md")


def test_every_built_in_encoder_is_listed() -> None:
    declared: set[Row] = set()
    for spec in builtin.anybind_encoders():
        for option in shown_options(spec.options) or {("", "", "")}:
            declared.add((spec.name, spec.modality, *option))
    assert set(rows("docs/graph-yaml.md", below="## Encoders that are built in")[1:]) == declared


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        ("## Keys", {*sections.REQUIRED, *sections.OPTIONAL}),
        ("### `modalities`", {"kind"}),
        ("### `encoders`", {*sections.ENCODER_KEYS, "any other"}),
        ("### `datasets`", {*sections.DATASET_KEYS, "any other"}),
        ("### `bind`", set(sections.BIND_KEYS)),
        ("### `evaluate`", set(sections.EVALUATE_KEYS)),
    ],
)
def test_every_key_of_a_graph_file_is_explained(heading: str, keys: set[str]) -> None:
    assert {row[0] for row in rows("docs/graph-yaml.md", below=heading)[1:]} == keys


def test_the_fields_of_an_artifact_are_those_of_the_model() -> None:
    def listed(heading: str) -> set[str]:
        return {row[0] for row in rows("docs/artifact.md", below=heading)} - {"field", "file"}

    models: Iterable[type[BaseModel]] = (Config, SpaceInfo, DatasetInfo, PathInfo)
    assert listed("## config.json") == {name for model in models for name in model.model_fields}
    assert listed("# Artifacts") == {CONFIG, *FILES}


def test_the_numbers_of_a_fit_are_those_of_the_code() -> None:
    page = text_of("docs/methods.md")
    for words in (
        f"more than {fit_data.FULL_WIDTH:,} dims", f"its {fit_data.PROJECTED_DIM} leading directions",
        f"At most {fit_data.SAMPLE_ROWS:,} rows",
    ):  # fmt: skip
        assert words in page


def test_built_in_methods_are_those_that_are_installed() -> None:
    """The README says which methods there are; a new one must be named there."""
    for name in installed_registry().binders:
        assert f"`{name}`" in text_of("README.md")


# ---------------------------------------------------------------------------- names and links


def pages(*, but: str = "CHANGELOG.md") -> list[Any]:
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES if page.name != but]


@pytest.mark.parametrize("page", pages())
def test_names_of_the_package_exist(page: Path) -> None:
    """``anybind.x`` in running text is something one can use."""
    prose = FENCED.sub("", page.read_text("utf-8"))
    for code in CODE.findall(prose):
        for name in re.findall(r"(?<!/)\banybind((?:\.[A-Za-z_]\w*)+)", code):
            assert resolves(name.strip(".").split(".")), f"{page.name}: anybind{name}"


def resolves(names: list[str]) -> bool:
    found: Any = anybind
    module = "anybind"
    for name in names:
        module = f"{module}.{name}"
        if hasattr(found, name):
            found = getattr(found, name)
        elif importlib.util.find_spec(module) is not None:
            found = importlib.import_module(module)
        else:
            return False
    return True


@pytest.mark.parametrize("page", pages(but=""))
def test_links_lead_somewhere(page: Path) -> None:
    for match in LINK.finditer(FENCED.sub("", page.read_text("utf-8"))):
        target, _, anchor = match["target"].partition("#")
        if target.startswith(("https://", "http://")):
            continue
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{page.name}: {match['target']}"
        assert path.is_relative_to(ROOT), f"{page.name}: {match['target']}"
        if anchor:
            assert anchor in anchors(path), f"{page.name}: {match['target']}"


def anchors(page: Path) -> set[str]:
    """The anchors GitHub gives to the headings of a page."""
    titles = HEADING.findall(FENCED.sub("", page.read_text("utf-8")))
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_page_is_reached_from_the_readme() -> None:
    linked = {match["target"] for match in LINK.finditer(text_of("README.md"))}
    assert {f"docs/{page.name}" for page in DOCS.glob("*.md")} <= linked | {"docs/benchmarks.md"}


def test_every_method_page_is_reached_from_the_overview() -> None:
    linked = {match["target"] for match in LINK.finditer(text_of("docs/methods.md"))}
    assert {f"methods/{page.name}" for page in (DOCS / "methods").glob("*.md")} <= linked


def test_the_place_for_results_is_marked() -> None:
    """The benchmark writes its table between these two lines."""
    begin, end = "<!-- results:begin -->", "<!-- results:end -->"
    readme = text_of("README.md")
    assert readme.count(begin) == readme.count(end) == 1
    assert "docs/benchmarks.md" in readme[readme.index(begin) : readme.index(end)]
