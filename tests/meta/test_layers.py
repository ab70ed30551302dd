"""Imports go one way (the layers stand in conftest.py), and plugins use public names only."""

import ast
import importlib
from graphlib import CycleError, TopologicalSorter

import pytest

import anybind

STRANGERS = {  # groups of modules that do not know each other
    "graph": ("anybind.graph", "anybind.bridge_plan", "anybind.routes", "anybind.mermaid"),
    "declaration": ("anybind.declaration",),
    "methods": ("anybind.methods",),
}
KITS = ("anybind.testing", "anybind.encoder_kit", "anybind.objectives")  # public beside the names of the package itself


def below(module, prefix):
    return module == prefix or module.startswith(prefix + ".")


def internal_imports(sources, path, modules):
    """(module, line) for every import of a module of the core."""
    for item in sources.imports(path):
        if below(item.module, "anybind"):
            inner = f"{item.module}.{item.name}"
            yield (inner if item.name and inner in modules else item.module), item.line


@pytest.fixture(scope="module")
def graph(sources):
    """Module -> [(imported module of the core, line)], without the public face and the test kit."""
    modules = sources.core_modules()
    return {
        module: list(internal_imports(sources, path, modules))
        for module, path in modules.items()
        if module != "anybind" and not below(module, "anybind.testing")
    }


def test_every_module_has_a_layer_and_every_entry_a_reason(sources, graph):
    assert [module for module in graph if sources.layer(module) is None] == []
    assert all(layer in range(10) for layer in sources.layers.values())


def test_no_module_imports_from_a_higher_layer(sources, graph):
    known = {module: sources.layer(module) for module in graph}
    upward = [
        f"{module}:{line} (layer {known[module]}) imports {imported} (layer {sources.layer(imported)})"
        for module, imports in graph.items()
        for imported, line in imports
        if imported != "anybind" and _is_higher(sources.layer(imported), known[module])
    ]
    assert upward == []


def _is_higher(imported, module):
    """Modules without a layer are reported by the test above, and are no reason to pass here."""
    return imported is None or module is None or imported > module


def test_modules_of_one_layer_do_not_import_each_other_in_a_circle(graph):
    edges = {module: {imported for imported, _ in imports} - {module} for module, imports in graph.items()}
    # A package's modules may import each other, and its __init__ re-exports them: no circle unless they
    # import the package itself.
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        pytest.fail(f"circle: {' -> '.join(error.args[1])}")


def test_the_core_imports_names_from_where_they_live(sources, graph):
    """``from anybind import X`` inside the core would hide the layer that X is in."""
    public = [
        f"{module}:{line}" for module, imports in graph.items() for name, line in imports if name == "anybind"
    ]
    assert public == []


def test_imports_are_absolute(sources):
    relative = [
        f"{path.relative_to(sources.root)}:{item.line}"
        for path in sources.files("core/**/*.py", "plugins/*/src/**/*.py")
        for item in sources.imports(path)
        if item.module.startswith(".")
    ]
    assert relative == []


@pytest.mark.parametrize("name", STRANGERS)
def test_graph_declaration_and_methods_do_not_know_each_other(graph, name):
    others = [prefix for other, prefixes in STRANGERS.items() if other != name for prefix in prefixes]
    mine = {module for module in graph if any(below(module, prefix) for prefix in STRANGERS[name])}
    known = [
        f"{module}:{line} imports {imported}"
        for module in mine
        for imported, line in graph[module]
        if any(below(imported, prefix) for prefix in others)
    ]
    assert known == []


def test_the_public_face_imports_only_the_lowest_layers_at_once(sources):
    modules = sources.core_modules()
    eager = {name for name, _ in internal_imports(sources, modules["anybind"], modules)}
    assert {name: sources.layer(name) for name in eager if sources.layer(name) > 1} == {}


def private_uses(sources, path):
    """What a file outside the core takes from it that is not public."""
    public = {*anybind.__all__, "__version__", *(kit.removeprefix("anybind.") for kit in KITS)}
    place = path.relative_to(sources.root)
    for module, name, line in sources.imports(path):
        if any(below(module, kit) for kit in KITS) or (module == "anybind" and name in {"", *public}):
            continue
        if below(module, "anybind"):
            yield f"{place}:{line} imports {module} {name}".rstrip()
    attributes = (node for node in ast.walk(sources.tree(path)) if isinstance(node, ast.Attribute))
    for node in attributes:
        if ast.unparse(node.value) == "anybind" and node.attr not in public:
            yield f"{place}:{node.lineno} uses anybind.{node.attr}"


def test_plugins_and_the_test_kit_use_public_names_only(sources):
    files = sources.files("plugins/*/src/**/*.py", "core/anybind/testing/**/*.py")
    assert [use for path in files for use in private_uses(sources, path)] == []


def test_the_checks_find_what_they_look_for(sources, tmp_path):
    """A rule that finds nothing in a bad file would find nothing anywhere."""
    bad = tmp_path / "bad.py"
    bad.write_text(
        "import anybind\nfrom typing import TYPE_CHECKING\nfrom anybind.store import EmbeddingStore\n"
        "if TYPE_CHECKING:\n    from anybind.moments import Moments\nelse:\n    import anybind.graph\n"
        "def f():\n    from anybind import secret\n    return anybind.registry\n"
    )
    here = type(sources)(tmp_path, sources.layers, sources.torch_free_up_to)
    found = [use.partition(" ")[2] for use in private_uses(here, bad)]
    assert found == [
        "imports anybind.store EmbeddingStore", "imports anybind.graph", "imports anybind secret",
        "uses anybind.registry",
    ]  # fmt: skip
    assert sources.layer("anybind.builtin.plugin") < sources.layer("anybind.builtin.toy")
    assert sources.layer("anybind.no_such_module") is None


def test_every_module_of_the_core_can_be_imported(sources):
    for module in sources.core_modules():
        if module != "anybind.__main__":
            importlib.import_module(module)
