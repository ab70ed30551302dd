"""A modality and an encoder by decorator: found by name, built, embedded with, and forgotten by other programs."""

import linecache

import numpy as np
import pytest
import torch

import anybind
from anybind import plugins, registering
from anybind.plugins import discover, installed_registry
from anybind.registering import Registered


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch):
    """Each test begins with nothing registered, and leaves nothing behind."""
    fresh = Registered()
    plugins._registry_for.cache_clear()
    for module in ("anybind.registering", "anybind.plugins", "anybind.builtin.functions"):
        monkeypatch.setattr(f"{module}.REGISTERED", fresh)
    yield
    plugins._registry_for.cache_clear()


def register(**options):
    @anybind.register_modality("wrist", description="Motion of a wrist.")
    def load(source):
        return np.asarray(source, dtype=np.float32)

    @anybind.register_encoder("wrist-mean", **{"modality": "wrist", "dim": 2, **options})
    def means(samples):
        return np.array([sample.mean(axis=1) for sample in samples])

    return load, means


def test_what_is_registered_is_found_and_built():
    load, means = register(licence="MIT")
    registry = installed_registry()
    wrist = registry.build_modality("wrist")
    sample = wrist.load([[1, 3], [4, 8]])
    wrist.check(sample)
    encoder = registry.build_encoder("wrist-mean")
    assert torch.equal(encoder.encode([sample, sample + 1]), torch.tensor([[2.0, 6.0], [3.0, 7.0]]))
    assert encoder.encode([]).shape == (0, 2)
    assert encoder.spec.licence == "MIT"
    assert load([1.5]).tolist() == [1.5]
    assert means([sample]).tolist() == [[2.0, 6.0]]


@pytest.mark.parametrize("kind", [torch.tensor, np.array, list, lambda rows: [torch.tensor(row) for row in rows]])
def test_vectors_come_out_as_float32_whatever_the_function_returns(kind):
    @anybind.register_encoder("lengths", modality="text", dim=1)
    def lengths(texts):
        return kind([[float(len(text))] for text in texts])

    vectors = installed_registry().build_encoder("lengths").encode(["a", "bcd"])
    assert vectors.dtype == torch.float32
    assert vectors.tolist() == [[1.0], [3.0]]


def test_it_is_listed_as_what_it_is_and_conflicts_name_it(fake_plugin, only_fake_plugins):
    register()
    registry, statuses = discover()
    assert [(s.name, s.status) for s in statuses] == [("builtin", "ok"), ("registered", "ok")]
    assert registry.encoder("wrist-mean").owner == "a running program (no plugin)"
    fake_plugin("anybind-wrist", "import anybind\n@anybind.hookimpl\ndef anybind_modalities():\n"
                "    return [anybind.ModalitySpec(name='wrist', factory='x:Y')]")  # fmt: skip
    with pytest.raises(anybind.DuplicateNameError) as caught:
        discover()[0].modality("wrist")
    assert caught.value.got == "a running program (no plugin) and anybind-wrist 1.0"


def test_registering_again_takes_the_place_of_the_first():
    register()
    before = installed_registry().encoder("wrist-mean").spec
    register(dim=3)
    assert (before.dim, installed_registry().encoder("wrist-mean").spec.dim) == (2, 3)


def revision_of(body, name, readable):
    source = f"def f(samples):\n    return {body}\n"
    if readable:
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    names = {}
    exec(compile(source, name, "exec"), names)
    anybind.register_encoder("f", modality="text", dim=1)(names["f"])
    return installed_registry().encoder("f").spec.revision


@pytest.mark.parametrize("readable", [True, False])
def test_an_edited_function_has_another_revision(readable):
    one, same, other = (
        revision_of(body, f"<{readable} {number}>", readable) for number, body in enumerate(["[1]", "[1]", "[2]"])
    )
    assert one == same != other
    assert one.startswith("source-" if readable else "code-")
    inner = [revision_of(f"(lambda: {body})()", f"<in {body}>", False) for body in ("1", "2")]
    assert inner[0] != inner[1]


def test_what_is_no_function_needs_a_revision():
    class Network:
        def __call__(self, samples):
            return [[0.0]] * len(samples)

    with pytest.raises(anybind.UsageError, match="needs a revision"):
        anybind.register_encoder("network", modality="text", dim=1)(Network())
    anybind.register_encoder("network", modality="text", dim=1, revision="7")(Network())
    assert installed_registry().encoder("network").spec.revision == "7"


def test_wrong_names_and_lengths_are_refused_at_once():
    with pytest.raises(anybind.UsageError, match="'my wrist' cannot be registered") as caught:
        anybind.register_modality("my wrist")(len)
    assert "name: " in caught.value.got
    with pytest.raises(anybind.UsageError, match="'f' cannot be registered") as caught:
        anybind.register_encoder("f", modality="text", dim=0, revision="1")(len)
    assert "dim: " in caught.value.got
    assert not registering.REGISTERED.anybind_encoders()


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        (np.array([[0.0, 1.0, 2.0], [2.0, 1.0, np.nan]]), "2 lines"),
        (np.ones(4000), "1 lines"),
        (torch.arange(4), "1 lines"),
        ("<b>" + "x" * 200, "&lt;b&gt;xxx"),
        (np.zeros((2, 2, 2)), "array("),
    ],
)
def test_previews_are_small_and_escaped(sample, expected):
    register()
    shown = installed_registry().build_modality("wrist").preview(sample)
    assert expected in shown
    assert "<b>" not in shown
    assert len(shown) < 3000


def test_a_graph_binds_with_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)

    @anybind.register_modality("wrist")
    def load(source):
        return np.asarray(source, dtype=np.float32)

    @anybind.register_encoder("wrist-itself", modality="wrist", dim=3)
    def itself(samples):
        return np.stack(samples)

    lines = [f'{{"id": "{i}", "wrist": {row.tolist()}, "vector": {(2 * row).tolist()}}}'
             for i, row in enumerate(rng.standard_normal((60, 3)))]  # fmt: skip
    (tmp_path / "pairs.jsonl").write_text("\n".join(lines))
    (tmp_path / "graph.yaml").write_text(
        "version: 1\nname: g\nencoders: {wrist: {use: wrist-itself}, vector: {use: vectors, dim: 3}}\n"
        "datasets: {pairs: {use: manifest, path: pairs.jsonl}}\n"
        "bind: {targets: [[wrist, vector]], method: procrustes}\n"
    )
    binder = anybind.run("graph.yaml").binder
    assert binder.encode([[1.0, 2.0, 3.0]], modality="wrist").shape[0] == 1
    again = anybind.Binder.from_pretrained(tmp_path / "runs" / "g" / "artifact")
    assert torch.equal(again.encode([[1.0, 2.0, 3.0]], modality="wrist"), binder.encode([[1, 2, 3]], modality="wrist"))
