"""What the meta tests share: where the sources are, what they import, and which layer each module is in."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

# A module imports from lower layers, or from its own without a cycle. An entry covers what is below it,
# unless that has an entry of its own. The package itself and anybind.testing have rules of their own.
LAYERS = {
    "anybind.errors": 0,
    "anybind.version": 0,
    "anybind.hookspecs": 1,
    "anybind.encoder_kit.options": 2,
    "anybind.encoder_kit.package_files": 2,
    "anybind.options": 1,
    "anybind.protocols": 1,
    "anybind.specs": 1,
    "anybind.yaml_loader": 1,
    "anybind.bridge_plan": 2,
    "anybind.builtin.binders": 2,
    "anybind.builtin.plugin": 2,
    "anybind.catalogue": 2,
    "anybind.factories": 2,
    "anybind.forecast_record": 3,
    "anybind.graph": 2,
    "anybind.licences": 2,
    "anybind.mermaid": 2,
    "anybind.registering": 2,
    "anybind.registry": 2,
    "anybind.registry_search": 3,
    "anybind.routes": 2,
    "anybind.declaration": 3,
    "anybind.installed_plugin": 3,
    "anybind.plugin_template": 3,
    "anybind.plugins": 3,
    "anybind.distributed": 4,
    "anybind.features": 4,
    "anybind.fit_context": 4,
    "anybind.fit_data": 4,
    "anybind.input_fitting": 4,
    "anybind.input_maps": 4,
    "anybind.moments": 4,
    "anybind.moments_file": 4,
    "anybind.objectives": 4,
    "anybind.progress": 4,
    "anybind.retrieval": 4,
    "anybind.rows": 4,
    "anybind.retrieval_metrics": 4,
    "anybind.steps": 4,
    "anybind.store": 4,
    "anybind.array_input": 5,
    "anybind.bridging": 5,
    "anybind.builtin": 5,
    "anybind.encoder_kit": 4,
    "anybind.encoder_kit.clips": 6,
    "anybind.extract": 5,
    "anybind.methods": 5,
    "anybind.training": 5,
    "anybind.artifact": 6,
    "anybind.diagnosis": 6,
    "anybind.evaluation": 6,
    "anybind.forecasting": 6,
    "anybind.postprocessing": 6,
    "anybind.provenance": 6,
    "anybind.binder": 7,
    "anybind.binder_files": 7,
    "anybind.encoding": 7,
    "anybind.extending": 7,
    "anybind.fitting": 7,
    "anybind.restoring": 7,
    "anybind.hub": 7,
    "anybind.joint_map": 7,
    "anybind.report": 7,
    "anybind.integrations": 8,
    "anybind.workflow": 8,
    "anybind.testing": 8,
    "anybind.__main__": 9,
    "anybind.builtin.examples": 9,
    "anybind.cli": 9,
}
TORCH_FREE_UP_TO = 3


class Import(NamedTuple):
    """One imported name: ``import module`` (name is empty) or ``from module import name``."""

    module: str
    name: str
    line: int


@dataclass(frozen=True)
class Sources:
    """The source tree of the repository."""

    root: Path
    layers: dict[str, int]
    torch_free_up_to: int

    def files(self, *patterns: str) -> list[Path]:
        """Python files under the root that match, without those of environments, builds and caches."""
        found = {path for pattern in patterns for path in self.root.glob(pattern) if path.suffix == ".py"}
        hidden = {"__pycache__", "build", "dist", "node_modules"}
        return sorted(
            path for path in found
            if not any(part.startswith(".") or part in hidden for part in path.relative_to(self.root).parts)
        )  # fmt: skip

    def core_modules(self) -> dict[str, Path]:
        """Module name -> file, for everything in the core."""
        modules = {}
        for path in self.files("core/**/*.py"):
            parts = path.relative_to(self.root / "core").with_suffix("").parts
            modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        return modules

    def layer(self, module: str) -> int | None:
        """The layer of a module by its longest entry; None when the table does not know it."""
        parts = module.split(".")
        names = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
        return next((self.layers[name] for name in names if name in self.layers), None)

    def tree(self, path: Path) -> ast.Module:
        """The parsed file."""
        return ast.parse(path.read_text("utf-8"), filename=str(path))

    def imports(self, path: Path) -> list[Import]:
        """What a file imports when it runs, inside functions too; ``if TYPE_CHECKING`` does not count."""
        return list(imports_of(self.tree(path)))


def imports_of(tree: ast.AST) -> Iterator[Import]:
    """All imports below a node, except under ``if TYPE_CHECKING``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, "", node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from (Import(module, alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            yield from imports_of(ast.Module(node.orelse, []))
        else:
            yield from imports_of(node)


@pytest.fixture(scope="session")
def sources() -> Sources:
    return Sources(Path(__file__).parents[2], LAYERS, TORCH_FREE_UP_TO)
