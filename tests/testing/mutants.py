"""A plugin that keeps every rule, and parts of one that each break exactly one.

Imported as the module ``mutants``: by the tests, by factory strings, and by the processes that the kit starts.
"""

from __future__ import annotations

import html
import sys
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import anybind
from anybind.testing import DatasetExample, EncoderExample, ModalityExample

SAMPLES = ("a", "bc", "dog", "four")  # shortest first
DIM = 6


# ---------------------------------------------------------------------------- encoders


class GoodEncoder:
    """Counts letters, in batches."""

    def __init__(self, spec, *, batch_size=4):
        self.spec = spec
        self._batch_size = batch_size

    def encode(self, samples):
        import torch

        for row, sample in enumerate(samples):
            self.check(row, sample)
        starts = range(0, len(samples), self._batch_size)
        batches = [self.batch(samples[start : start + self._batch_size], start) for start in starts]
        return torch.cat([torch.zeros(0, DIM), *batches])

    def check(self, row, sample):
        if not isinstance(sample, str):
            raise anybind.DataError("no text", where=f"sample {row}", got=sample, expected="text")

    def batch(self, samples, start):
        import torch

        return torch.tensor([[float(ord(letter) % 31) for letter in f"{sample:{DIM}}"] for sample in samples])


class EncoderThatFailsToBuild(GoodEncoder):
    def __init__(self, spec, *, batch_size=4):
        raise KeyError("weights")


class EncoderOfAnotherLength(GoodEncoder):
    def __init__(self, spec, *, batch_size=4):
        super().__init__(spec.model_copy(update={"dim": DIM + 1}), batch_size=batch_size)


class EncoderInDoublePrecision(GoodEncoder):
    def encode(self, samples):
        return super().encode(samples).double()


class EncoderOfLists(GoodEncoder):
    def encode(self, samples):
        return super().encode(samples).tolist()


class EncoderThatDropsSamples(GoodEncoder):
    """As a loop without an else does: what it does not know is left out, and the vectors behind move up."""

    def encode(self, samples):
        return super().encode([sample for sample in samples if sample != "dog"])


class EncoderOfNaN(GoodEncoder):
    def encode(self, samples):
        vectors = super().encode(samples)
        vectors[[sample == "dog" for sample in samples], 1] = float("nan")
        return vectors


class EncoderThatSqueezes(GoodEncoder):
    def encode(self, samples):
        return super().encode(samples).squeeze(0)


class EncoderThatNeedsSamples(GoodEncoder):
    def encode(self, samples):
        import torch

        return torch.stack(list(super().encode(samples)))


class EncoderThatLooksAround(GoodEncoder):
    """As padding without a mask does."""

    def encode(self, samples):
        longest = max((len(str(sample)) for sample in samples), default=0)
        return super().encode(samples) + longest / 100


class EncoderThatSorts(GoodEncoder):
    def encode(self, samples):
        vectors = super().encode(samples)
        return vectors[sorted(range(len(samples)), key=lambda row: len(str(samples[row])))]


class EncoderWithDropout(GoodEncoder):
    """From the third time on a batch has other vectors."""

    def __init__(self, spec, *, batch_size=4):
        super().__init__(spec, batch_size=batch_size)
        self._times = Counter()

    def encode(self, samples):
        vectors = super().encode(samples)
        self._times[tuple(samples)] += 1
        return vectors + (len(samples) == len(SAMPLES)) * (self._times[tuple(samples)] > 2)


class EncoderThatEmptiesTheList(GoodEncoder):
    def encode(self, samples):
        vectors = super().encode(samples)
        samples.clear()
        return vectors


class EncoderThatSeeds(GoodEncoder):
    def encode(self, samples):
        import torch

        torch.manual_seed(0)
        return super().encode(samples)


class EncoderThatDrawsWhenBuilt(GoodEncoder):
    def __init__(self, spec, *, batch_size=4):
        import torch

        super().__init__(spec, batch_size=batch_size)
        torch.rand(3)


class EncoderThatForbidsGradients(GoodEncoder):
    def encode(self, samples):
        import torch

        torch.set_grad_enabled(False)
        return super().encode(samples)


class EncoderOfAnything(GoodEncoder):
    def check(self, row, sample):
        pass


class EncoderThatHidesThePlace(GoodEncoder):
    def check(self, row, sample):
        if not isinstance(sample, str):
            raise anybind.DataError("no text", where="somewhere among 3 samples")


class EncoderThatRaisesAtRandom(GoodEncoder):
    def check(self, row, sample):
        sample.casefold()


class EncoderWithGradients(GoodEncoder):
    def encode(self, samples):
        return super().encode(samples).requires_grad_()


class ConstantEncoder(GoodEncoder):
    def encode(self, samples):
        return super().encode(samples) * 0 + 1


class EncoderWithBatchesThatDiffer(GoodEncoder):
    def batch(self, samples, start):
        return super().batch(samples, start) + start


# ---------------------------------------------------------------------------- data sets


class GoodDataset:
    """Words and vectors; the last row has no vector."""

    def __init__(self, *, rows=4, modalities=None):
        self.collection = "words"
        self.modalities = ("text", "vector") if modalities is None else tuple(modalities)
        self.ids = [f"row-{row}" for row in range(rows)]
        self.groups = ["even" if row % 2 == 0 else "odd" for row in range(rows)]

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(index)
        row = self.row(index)
        return {name: row[name] for name in self.modalities if name in row}

    def row(self, index):
        row = {"text": f"word {index}", "vector": [index, 1.0]}
        if index == len(self) - 1:
            del row["vector"]
        return row


class DatasetThatFailsToOpen(GoodDataset):
    def __init__(self, *, rows=4, modalities=None):
        raise OSError("no such disk")


class DatasetWithoutModalities(GoodDataset):
    def __init__(self, *, rows=4, modalities=None):
        super().__init__(rows=rows, modalities=modalities)
        self.modalities = None


class DatasetWithTooManyIds(GoodDataset):
    def __len__(self):
        return len(self.ids) - 1

    def row(self, index):
        return {"text": f"word {index}", "vector": [index, 1.0]}


class DatasetWithoutRows(GoodDataset):
    """It says so at once: nothing can be said of the rest."""

    def __init__(self, *, rows=4, modalities=None):
        super().__init__(rows=0, modalities=modalities)


class DatasetWithNumbersAsIds(GoodDataset):
    def __init__(self, *, rows=4, modalities=None):
        super().__init__(rows=rows, modalities=modalities)
        self.ids = list(range(rows))


class DatasetWithOneIdTwice(GoodDataset):
    def __init__(self, *, rows=4, modalities=None):
        super().__init__(rows=rows, modalities=modalities)
        self.ids[1] = self.ids[0]

    def row(self, index):
        return super().row(0 if index == 1 else index)


class DatasetWithNone(GoodDataset):
    def row(self, index):
        return {"vector": None, **super().row(index)}


class DatasetWithForeignKeys(GoodDataset):
    def __getitem__(self, index):
        return {**super().__getitem__(index), "label": 3}


class DatasetOfTuples(GoodDataset):
    def __getitem__(self, index):
        return tuple(super().__getitem__(index).values())


class DatasetThatCannotBeRead(GoodDataset):
    def row(self, index):
        raise RuntimeError("no such shard")


class DatasetWithAnEmptyModality(GoodDataset):
    def row(self, index):
        row = super().row(index)
        row.pop("vector", None)
        return row


class DatasetWithAModalityOfItsOwn(GoodDataset):
    def __init__(self, *, rows=4, modalities=None):
        super().__init__(rows=rows, modalities=modalities or ("text", "text_xx"))

    def row(self, index):
        return {"text": f"word {index}", "text_xx": f"xx {index}"}


class DatasetThatChanges(GoodDataset):
    """From the second time on a row is another."""

    def __init__(self, *, rows=4, modalities=None):
        super().__init__(rows=rows, modalities=modalities)
        self._times = Counter()

    def row(self, index):
        self._times[index] += 1
        return {**super().row(index), "text": f"word {index}" + "!" * (self._times[index] - 1)}


class EndlessDataset(GoodDataset):
    def __getitem__(self, index):
        return super().__getitem__(index % len(self))


class DatasetWithBrokenSources(GoodDataset):
    def row(self, index):
        return {**super().row(index), "text": 3.5}


class DatasetThatGivesEverything(GoodDataset):
    def __init__(self, *, rows=4, modalities=None):
        super().__init__(rows=rows)


class DatasetThatGivesOtherRows(GoodDataset):
    def row(self, index):
        row = super().row(index)
        return row if len(self.modalities) == 2 else {**row, "text": row["text"].upper()}


class DatasetThatForgetsItsName(GoodDataset):
    def __init__(self, *, rows=4, modalities=None):
        super().__init__(rows=rows, modalities=modalities)
        self.collection = uuid.uuid4().hex


class DatasetWithoutAName(GoodDataset):
    def __init__(self, *, rows=4, modalities=None):
        super().__init__(rows=rows, modalities=modalities)
        self.collection = ""


class DatasetWithTooFewGroups(GoodDataset):
    def __init__(self, *, rows=4, modalities=None):
        super().__init__(rows=rows, modalities=modalities)
        self.groups = self.groups[1:]


class DatasetWithNumbersAsGroups(GoodDataset):
    def __init__(self, *, rows=4, modalities=None):
        super().__init__(rows=rows, modalities=modalities)
        self.groups = list(range(rows))


class DatasetWithTorch(GoodDataset):
    def __init__(self, *, rows=4, modalities=None):
        import torch  # noqa: F401

        super().__init__(rows=rows, modalities=modalities)


class DatasetThatLitters(GoodDataset):
    def row(self, index):
        Path("litter.txt").write_text("here")
        return super().row(index)


# ---------------------------------------------------------------------------- modalities


@dataclass
class Note:
    """A sample: a named tone."""

    name: str
    shown: int = 0


class GoodModality:
    """Notes, written as their names."""

    def __init__(self, spec):
        self.name = spec.name

    def load(self, source):
        if isinstance(source, Note):
            return source
        if not isinstance(source, str) or not source:
            raise anybind.DataError("no note", got=source, expected="its name")
        return Note(source)

    def check(self, sample):
        if not isinstance(sample, Note):
            raise anybind.DataError("no note", got=sample, expected="a Note")

    def preview(self, sample):
        return f'<b title="{html.escape(sample.name)}">{html.escape(sample.name)}</b><br>'


class ModalityThatFailsToBuild(GoodModality):
    def __init__(self, spec):
        raise KeyError("spec")


class ModalityOfAnotherName(GoodModality):
    def __init__(self, spec):
        self.name = "something-else"


class ModalityThatRefusesItsOwn(GoodModality):
    def check(self, sample):
        raise anybind.DataError("no")


class ModalityThatCannotLoad(GoodModality):
    def load(self, source):
        raise anybind.DataError("no")


class ModalityThatLoadsTwice(GoodModality):
    def load(self, source):
        return Note(source.name * 2) if isinstance(source, Note) else super().load(source)


class ModalityThatLoadsAnything(GoodModality):
    def load(self, source):
        return source if isinstance(source, Note) else Note(str(source))


class ModalityThatRaisesAtRandom(GoodModality):
    def load(self, source):
        return source if isinstance(source, Note) else Note(source[0] + source[1:])


class ModalityThatAcceptsAnything(GoodModality):
    def check(self, sample):
        pass


class ModalityThatDoesNotEscape(GoodModality):
    def preview(self, sample):
        return f"<b>{sample.name}</b>"


class ModalityThatFetches(GoodModality):
    def preview(self, sample):
        return '<img src="https://example.org/note.png" alt="">'


class ModalityThatFetchesAStyle(GoodModality):
    def preview(self, sample):
        return "<i style='background: url(//example.org/x.png)'></i>"


class ModalityThatRuns(GoodModality):
    def preview(self, sample):
        return '<b onclick="alert(1)">x</b>'


class ModalityThatLinksToCode(GoodModality):
    def preview(self, sample):
        return '<a href=" javascript:alert(1)">x</a>'


class ModalityThatLeavesTagsOpen(GoodModality):
    def preview(self, sample):
        return "<div><b>x</div>"


class ModalityThatShowsBytes(GoodModality):
    def preview(self, sample):
        return b"<b>x</b>"


class ModalityThatTakesNotes(GoodModality):
    def preview(self, sample):
        sample.shown += 1
        return super().preview(sample)


class ModalityWithTorch(GoodModality):
    def __init__(self, spec):
        import torch  # noqa: F401

        super().__init__(spec)


# ---------------------------------------------------------------------------- examples


def words(folder):
    return EncoderExample(samples=SAMPLES, wrong=7)


def too_few_words(folder):
    return EncoderExample(samples=["a", "b", "a"])


def empty_words(folder):
    return EncoderExample(samples=["a", "b", " "])


def rows(folder):
    return DatasetExample(options={"rows": 5}, kinds={"text_xx": "text"})


def notes(folder):
    return ModalityExample(sources=["do", "<script>re</script>", "mi & 'fa'"], broken=["", 3])


def no_notes(folder):
    return ModalityExample(sources=[])


def nothing(folder):
    return None


# ---------------------------------------------------------------------------- plugins

_HERE = __name__
KINDS = ("modality", "encoder", "dataset")
_GOOD = {"modality": "GoodModality", "encoder": "GoodEncoder", "dataset": "GoodDataset"}
_EXAMPLES = {"modality": "notes", "encoder": "words", "dataset": "rows"}


def specs_of(kind, factory=None, example=""):
    """The spec of one part and that of its example; ``example=None`` leaves that out."""
    factory = f"{_HERE}:{factory or _GOOD[kind]}"
    size = anybind.OptionSpec(type="int", default=4, minimum=1, affects_output=False)
    if kind == "modality":
        spec = anybind.ModalitySpec(name="note", factory=factory)
    elif kind == "encoder":
        spec = anybind.EncoderSpec(
            name="letters", modality="text", dim=DIM, factory=factory, weights="none", revision="1", licence="MIT",
            options={"batch_size": size},
        )  # fmt: skip
    else:
        spec = anybind.DatasetSpec(
            name="words", modalities=("text", "vector"), factory=factory, licence="MIT", options={"rows": size}
        )
    if example is None:
        return [spec]
    function = f"{_HERE}:{example or _EXAMPLES[kind]}"
    return [spec, anybind.ExampleSpec(kind=kind, name=spec.name, factory=function)]


# (check, factory of the broken part, its example where that is what is broken)
PARTS = [
    ("encoder_example", None, None),
    ("encoder_example", None, "nothing"),
    ("encoder_example", None, "rows"),
    ("encoder_example", None, "too_few_words"),
    ("encoder_example", None, "empty_words"),
    ("encoder_builds", "EncoderThatFailsToBuild", ""),
    ("encoder_builds", "EncoderOfAnotherLength", ""),
    ("encoder_shape", "EncoderInDoublePrecision", ""),
    ("encoder_shape", "EncoderOfLists", ""),
    ("encoder_shape", "EncoderThatDropsSamples", ""),
    ("encoder_finite", "EncoderOfNaN", ""),
    ("encoder_batch_of_one", "EncoderThatSqueezes", ""),
    ("encoder_empty_batch", "EncoderThatNeedsSamples", ""),
    ("encoder_batch_invariance", "EncoderThatLooksAround", ""),
    ("encoder_order", "EncoderThatSorts", ""),
    ("encoder_repeats", "EncoderWithDropout", ""),
    ("encoder_leaves_samples", "EncoderThatEmptiesTheList", ""),
    ("encoder_leaves_surroundings", "EncoderThatSeeds", ""),
    ("encoder_leaves_surroundings", "EncoderThatDrawsWhenBuilt", ""),
    ("encoder_leaves_surroundings", "EncoderThatForbidsGradients", ""),
    ("encoder_refuses_wrong_samples", "EncoderOfAnything", ""),
    ("encoder_refuses_wrong_samples", "EncoderThatHidesThePlace", ""),
    ("encoder_refuses_wrong_samples", "EncoderThatRaisesAtRandom", ""),
    ("encoder_has_no_gradient", "EncoderWithGradients", ""),
    ("encoder_tells_apart", "ConstantEncoder", ""),
    ("encoder_batch_size", "EncoderWithBatchesThatDiffer", ""),
    ("dataset_example", None, None),
    ("dataset_example", None, "notes"),
    ("dataset_builds", "DatasetThatFailsToOpen", ""),
    ("dataset_builds", "DatasetWithoutModalities", ""),
    ("dataset_length", "DatasetWithTooManyIds", ""),
    ("dataset_length", "DatasetWithoutRows", ""),
    ("dataset_ids", "DatasetWithNumbersAsIds", ""),
    ("dataset_ids", "DatasetWithOneIdTwice", ""),
    ("dataset_rows", "DatasetWithNone", ""),
    ("dataset_rows", "DatasetWithForeignKeys", ""),
    ("dataset_rows", "DatasetOfTuples", ""),
    ("dataset_rows", "DatasetThatCannotBeRead", ""),
    ("dataset_modalities", "DatasetWithAnEmptyModality", ""),
    ("dataset_modalities", "DatasetWithAModalityOfItsOwn", ""),
    ("dataset_is_stable", "DatasetThatChanges", ""),
    ("dataset_ends", "EndlessDataset", ""),
    ("dataset_sources", "DatasetWithBrokenSources", ""),
    ("dataset_subset", "DatasetThatGivesEverything", ""),
    ("dataset_subset", "DatasetThatGivesOtherRows", ""),
    ("dataset_collection", "DatasetThatForgetsItsName", ""),
    ("dataset_collection", "DatasetWithoutAName", ""),
    ("dataset_groups", "DatasetWithTooFewGroups", ""),
    ("dataset_groups", "DatasetWithNumbersAsGroups", ""),
    ("dataset_is_light", "DatasetWithTorch", ""),
    ("dataset_writes_nothing", "DatasetThatLitters", ""),
    ("modality_example", None, None),
    ("modality_example", None, "no_notes"),
    ("modality_example", None, "words"),
    ("modality_builds", "ModalityThatFailsToBuild", ""),
    ("modality_builds", "ModalityOfAnotherName", ""),
    ("modality_loads", "ModalityThatRefusesItsOwn", ""),
    ("modality_loads", "ModalityThatCannotLoad", ""),
    ("modality_loads_samples", "ModalityThatLoadsTwice", ""),
    ("modality_refuses_broken_sources", "ModalityThatLoadsAnything", ""),
    ("modality_refuses_broken_sources", "ModalityThatRaisesAtRandom", ""),
    ("modality_refuses_strangers", "ModalityThatAcceptsAnything", ""),
    ("modality_previews_safely", "ModalityThatDoesNotEscape", ""),
    ("modality_previews_safely", "ModalityThatFetches", ""),
    ("modality_previews_safely", "ModalityThatFetchesAStyle", ""),
    ("modality_previews_safely", "ModalityThatRuns", ""),
    ("modality_previews_safely", "ModalityThatLinksToCode", ""),
    ("modality_previews_safely", "ModalityThatLeavesTagsOpen", ""),
    ("modality_previews_safely", "ModalityThatShowsBytes", ""),
    ("modality_leaves_samples", "ModalityThatTakesNotes", ""),
]

# A plugin's module that keeps every rule. Its mutants are changes of this text.
GOOD_PLUGIN = """
import anybind

@anybind.hookimpl
def anybind_modalities():
    return [anybind.ModalitySpec(name="note", factory="mutants:GoodModality")]

@anybind.hookimpl
def anybind_encoders():
    size = anybind.OptionSpec(type="int", default=4, minimum=1, affects_output=False)
    return [anybind.EncoderSpec(name="letters", modality="text", dim=6, factory="mutants:GoodEncoder", weights="none",
                                revision="1", licence="MIT", options={"batch_size": size})]

@anybind.hookimpl
def anybind_datasets():
    rows = anybind.OptionSpec(type="int", default=4)
    return [anybind.DatasetSpec(name="words", modalities=("text", "vector"), factory="mutants:GoodDataset",
                                licence="MIT", options={"rows": rows})]

@anybind.hookimpl
def anybind_examples():
    return [anybind.ExampleSpec(kind="modality", name="note", factory="mutants:notes"),
            anybind.ExampleSpec(kind="encoder", name="letters", factory="mutants:words"),
            anybind.ExampleSpec(kind="dataset", name="words", factory="mutants:rows")]
"""
GOOD_REQUIREMENT = "anybind>=0.1,<0.2"

# (check, the text changed, what it becomes); an empty text: it is put at the end
PLUGINS = [
    ("entry_point_loads", "", "import not_there_at_all"),
    ("entry_point_loads", "return [anybind.ModalitySpec", "return [anybind.OptionSpec"),
    ("import_is_light", "import anybind\n", "import anybind\nimport safetensors\n"),
    ("import_is_light", "    size =", "    import yaml, PIL\n    size ="),
    ("import_is_quiet", "", "print('hello')"),
    ("import_is_quiet", "", "import sys; print('old', file=sys.stderr)"),
    ("factories_resolve", "mutants:GoodModality", "mutants:GodModality"),
    ("factories_resolve", "mutants:GoodModality", "mutants:DIM"),
    ("factories_take_options", "default=4)", "default=5)"),
    ("factories_take_options", '"rows": rows', '"rows": rows, "seed": rows'),
    ("factories_take_options", ', options={"batch_size": size}', ""),
    ("specs_survive_json", 'rows = anybind.OptionSpec(type="int", default=4)',
     'rows = anybind.OptionSpec(type="int", default=4, choices=((1, 2), 4))'),
    ("licences_are_stated", 'revision="1", licence="MIT"', 'revision="1", licence=" "'),
    ("weights_are_pinned", 'revision="1"', 'revision="main"'),
    ("weights_are_pinned", 'weights="none"', 'weights=""'),
    ("weights_are_pinned", 'revision="1"', 'revision="unpinned"'),
    ("core_is_bounded", GOOD_REQUIREMENT, "anybind>=0.1"),
    ("core_is_bounded", GOOD_REQUIREMENT, "anybind-lite<1"),
    ("examples_match", "factory=\"mutants:notes\")", 'factory="mutants:notes"),\n'
     '            anybind.ExampleSpec(kind="encoder", name="leters", factory="mutants:words")'),
    ("modalities_are_light", "mutants:GoodModality", "mutants:ModalityWithTorch"),
]  # fmt: skip

assert "pytest" not in sys.modules or _HERE == "mutants", "import it by its name, as factories do"
