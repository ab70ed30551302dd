"""Everything in the docs that looks like code is run, or at least checked.

Each page runs in an empty folder, top to bottom:

- ``python`` is executed; the blocks of a page share their names. ``text output`` below is what it printed, with
  ``…`` for what is left out of a line. ``python needs x y`` is executed where the modules x and y are installed;
  where they are not, it must be Python.
- A block whose first line is a comment with a path, ``# graph.yaml``, is written to that file; a Python file
  is not executed then.
- ``yaml`` is a graph that must be valid. ``yaml part`` is laid over the page's first graph. ``yaml wrong``
  has the problems that stand in ``text output`` below.
- ``console`` holds commands after ``$``. Options and arguments must exist. ``console run`` runs them too;
  what is shown as their output must be printed, with ``…`` for what is left out.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from anybind.cli.app import cli
from anybind.declaration import parse_declaration
from anybind.errors import DeclarationError
from anybind.plugins import installed_registry

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md")]
BLOCK = re.compile(r"^```(?P<info>\S[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (?P<path>[\w./-]+\.(py|yaml|toml))\n")
# What needs no check of ours: GitHub draws it, or it is a listing.
SHOWN = {"mermaid", "text"}


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its flags, its text, and the line it starts in."""

    language: str
    flag: str
    text: str
    place: str


def blocks_of(page: Path) -> list[Block]:
    source = page.read_text("utf-8")
    found = []
    for match in BLOCK.finditer(source):
        language, _, flag = match["info"].partition(" ")
        place = f"{page.relative_to(ROOT)}:{source.count(chr(10), 0, match.start()) + 1}"
        found.append(Block(language, flag, match["text"], place))
    return found


@dataclass
class Reader:
    """Someone who follows a page in a folder, block by block."""

    folder: Path
    add_to_path: Callable[[Path], None]
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "page"})
    graph: dict[str, Any] | None = None
    said: str = ""

    def follow(self, block: Block) -> None:
        file = FILE.match(block.text)
        if file:
            path = self.folder / file["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        handler = getattr(self, f"_{block.language}", None)
        if handler is None:
            assert block.language in SHOWN or file, f"{block.place}: nobody checks {block.language!r}"
        elif not (file and block.language == "python"):
            handler(block)

    def _python(self, block: Block) -> None:
        code = compile(block.text, block.place, "exec")
        needed = block.flag.removeprefix("needs ").split()
        if any(importlib.util.find_spec(module) is None for module in needed):
            return
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, self.names)
        self.said = printed.getvalue()

    def _text(self, block: Block) -> None:
        if block.flag == "output":
            shown = ".*".join(re.escape(part) for part in block.text.strip().split("…"))
            assert re.fullmatch(shown, self.said.strip()), f"{block.place}\n{self.said}"

    def _yaml(self, block: Block) -> None:
        text = block.text
        if block.flag == "part":
            assert self.graph is not None, f"{block.place}: a part without a graph above it"
            text = yaml.safe_dump({**self.graph, **yaml.safe_load(text)}, sort_keys=False)
        try:
            parse_declaration(text, "graph.yaml", installed_registry())
            problems = []
        except DeclarationError as error:
            problems = [str(problem) for problem in error.problems]
        self.said = "\n".join(problems)
        assert bool(problems) == (block.flag == "wrong"), f"{block.place}\n{self.said}"
        if not problems and self.graph is None:
            self.graph = yaml.safe_load(text)

    def _console(self, block: Block) -> None:
        for command, shown in commands_of(block.text):
            words = shlex.split(command, comments=True)
            assert words[0] in CHECKS, f"{block.place}: nobody checks {command!r}"
            CHECKS[words[0]](words, self.folder if block.flag == "run" else ROOT)
            if block.flag == "run":
                printed = self._run(words)
                for line in filter(lambda line: line != "…", shown):
                    assert line in printed.splitlines(), f"{block.place}: {command}\n{printed}"

    def _run(self, words: list[str]) -> str:
        if words[0] == "anybind":
            return run_anybind(words[1:])
        if words[0] == "pip":
            return self._install(self.folder / words[-1])
        return run_python("-m", *words, cwd=self.folder, path=list(self.folder.glob("site-*")))

    def _install(self, project: Path) -> str:
        """What pip does offline: build a wheel and unpack it onto the path."""
        run_python("-m", "hatchling", "build", "-t", "wheel", "-d", "dist", cwd=project)
        (wheel,) = (project / "dist").iterdir()
        site = self.folder / f"site-{project.name}"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
        self.add_to_path(site)
        return ""


def commands_of(text: str) -> list[tuple[str, list[str]]]:
    """(command, lines of its output) pairs."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            assert found, f"output before a command: {line}"
            found[-1][1].append(line)
    return found


def run_anybind(arguments: list[str]) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 0, arguments
    return printed.getvalue()


def run_python(*arguments: str, cwd: Path, path: list[Path] | None = None) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*(path or []), ROOT / "core"]))}
    result = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def check_anybind(words: list[str], _: Path) -> None:
    """Let click parse the line without running it: unknown commands, options and values are errors."""
    command: click.Command = cli
    context = click.Context(cli, info_name="anybind")
    arguments = words[1:]
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        found = command.get_command(context, arguments[0])
        assert found is not None, f"no command {arguments[0]!r} in {shlex.join(words)}"
        command, arguments = found, arguments[1:]
    command.make_context(command.name, list(arguments), parent=context)


def check_torchrun(words: list[str], root: Path) -> None:
    start = words.index("-m") + 1
    check_anybind(words[start:], root)


def check_make(words: list[str], root: Path) -> None:
    makefile = (root / "Makefile").read_text("utf-8")
    for target in words[1:]:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"no target {target}"


def check_paths(words: list[str], root: Path) -> None:
    """The files that pip, python and pytest are given must exist; so must extras."""
    for word in words[1:]:
        path, _, extra = word.partition("[")
        if "/" in word or word.endswith((".py", ".txt")) or extra:
            assert (root / path).exists(), f"{word} in {shlex.join(words)}"
        for name in filter(None, extra.rstrip("]").split(",")):
            project = (root / path / "pyproject.toml").read_text("utf-8")
            assert re.search(rf"^{name} = ", project, re.MULTILINE), word


CHECKS: dict[str, Callable[[list[str], Path], None]] = {
    "anybind": check_anybind, "torchrun": check_torchrun, "make": check_make,
    "pip": check_paths, "python": check_paths, "pytest": check_paths,
}  # fmt: skip


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    yield Reader(tmp_path, lambda site: monkeypatch.syspath_prepend(str(site)))
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_on_the_page_runs(page: Path, reader: Reader) -> None:
    for block in blocks_of(page):
        try:
            reader.follow(block)
        except Exception as error:
            error.add_note(f"in {block.place}")
            raise


def test_no_block_is_overlooked() -> None:
    """A fence that the pattern above does not see (indented, unnamed, open) is never checked."""
    for page in PAGES:
        fences = [line for line in page.read_text("utf-8").splitlines() if "```" in line]
        assert len(fences) == 2 * len(blocks_of(page)), page.relative_to(ROOT)


def test_the_checks_can_fail(reader: Reader) -> None:
    wrong = {
        "python": "assert False\n", "yaml": "version: 2\n", "rust": "fn main() {}\n",
        "console": "$ anybind fli\n",
    }  # fmt: skip
    for language, text in wrong.items():
        with pytest.raises((AssertionError, click.ClickException)):
            reader.follow(Block(language, "", text, "here:1"))
    for command in ("anybind run g.yaml --seed 1", "make coffee", "pip install -e plugins/none", "curl x"):
        with pytest.raises((AssertionError, click.ClickException)):
            reader.follow(Block("console", "", f"$ {command}\n", "here:1"))
    reader.follow(Block("python", "", "print(1)\n", "here:1"))
    with pytest.raises(AssertionError):
        reader.follow(Block("text", "output", "2\n", "here:2"))
