"""The built-in plugin: what a plain install can read, embed and fit, through the same hooks as any plugin."""

from __future__ import annotations

from anybind.hookspecs import hookimpl
from anybind.specs import BinderSpec, DatasetSpec, EncoderSpec, ModalitySpec, OptionSpec

_CODE_LICENCE = "Apache-2.0"
_COLLECTION = OptionSpec(
    type="str", description="A name for the items, shared by data sets that hold the same ones."
)


@hookimpl
def anybind_modalities() -> list[ModalitySpec]:
    """Modalities whose samples the core can load."""
    return [
        ModalitySpec(name="text", factory="anybind.builtin.text:Text", description="Written language."),
        ModalitySpec(name="image", factory="anybind.builtin.image:Image", description="Still pictures."),
        ModalitySpec(name="audio", factory="anybind.builtin.audio:Audio", description="Sound of any kind."),
        ModalitySpec(
            name="vector", factory="anybind.builtin.vector:Vector",
            description="Vectors that were made elsewhere, one array per sample.",
        ),
    ]


@hookimpl
def anybind_encoders() -> list[EncoderSpec]:
    """Small encoders that need no weights: for tests, tutorials and vectors made elsewhere."""
    return [
        EncoderSpec(
            name="toy-text", modality="text", dim=64, factory="anybind.builtin.toy:ToyText",
            weights="none", revision="1", licence=_CODE_LICENCE,
            description="Hashed character n-grams: for trying things out, good for nothing else.",
        ),
        EncoderSpec(
            name="toy-image", modality="image", dim=64, factory="anybind.builtin.toy:ToyImage",
            weights="none", revision="1", licence=_CODE_LICENCE,
            description="A thumbnail and colour histograms: for trying things out, good for nothing else.",
        ),
        EncoderSpec(
            name="vectors", modality="vector", dim=1, factory="anybind.builtin.toy:Vectors",
            weights="none", revision="1", licence=_CODE_LICENCE,
            description="Passes on vectors that were made elsewhere; the option dim says how long they are.",
            options={
                "dim": OptionSpec(
                    type="int", required=True, minimum=1, maximum=65536,
                    description="Length of the vectors; takes the place of the spec's dim.",
                ),
            },
        ),
    ]


@hookimpl
def anybind_datasets() -> list[DatasetSpec]:
    """Data sets that stand in files of the user's own."""
    return [
        DatasetSpec(
            name="manifest", modalities=None, factory="anybind.builtin.manifest:Manifest", licence="unknown",
            description="One row a line in a CSV, TSV or JSON Lines file; its columns are the modalities.",
            options={
                "path": OptionSpec(type="path", required=True, description="The file."),
                "id_column": OptionSpec(type="str", default="id", description="The column of the ids."),
                "text_columns": OptionSpec(
                    type="list[str]",
                    description="Columns that hold text itself; if none: text and what begins with text_.",
                ),
                "split_column": OptionSpec(type="str", description="The column that names each row's split."),
                "split": OptionSpec(type="str", description="Keep the rows of this split only."),
                "collection": _COLLECTION,
            },
        ),
        DatasetSpec(
            name="arrays", modalities=None, factory="anybind.builtin.arrays:Arrays", licence="unknown",
            description="Vectors made elsewhere: <modality>.npy or .safetensors files in one folder.",
            options={
                "path": OptionSpec(type="path", required=True, description="The folder."),
                "missing_from_nan": OptionSpec(
                    type="bool", default=False, description="Whether a row of nothing but NaN is missing."
                ),
                "collection": _COLLECTION,
            },
        ),
    ]


_AUTO = 'a number, or "auto" to choose it on held-out rows of the data sets that exist'


@hookimpl
def anybind_binders() -> list[BinderSpec]:
    """The closed-form methods."""
    return [
        BinderSpec(
            name="pcca", factory="anybind.methods.pcca:PCCA",
            summary="One low-rank probabilistic CCA over all spaces and data sets, with missing blocks.",
            reference="Bach & Jordan (2005), with full noise, more than two views and missing blocks",
            options={
                "rank": OptionSpec(type="int", default="auto", minimum=1, description=f"Latent dims: {_AUTO}."),
                "shrinkage": OptionSpec(
                    type="float", default="auto", minimum=0,
                    description=f"Isotropic pseudo-rows per noise covariance, in units of dims / 2: {_AUTO}.",
                ),
                "dims": OptionSpec(
                    type="int", default=384, minimum=1, description="Leading directions kept of every space."
                ),
                "steps": OptionSpec(type="int", default=20, minimum=1, description="EM steps."),
                "similarity": OptionSpec(
                    type="str", default="cosine", choices=("cosine", "llr"),
                    description="cosine of weighted canonical directions, or log-odds of being the same item.",
                ),
                "kernel": OptionSpec(
                    type="str", default="auto", choices=("auto", "gaussian", "linear"),
                    description="gaussian fits on Nyström features of the vectors, linear on the vectors; "
                    "auto takes what retrieves held-out rows better.",
                ),
                "landmarks": OptionSpec(
                    type="int", default=1024, minimum=2, description="Rows of a space that make its features, at most."
                ),
                "width": OptionSpec(
                    type="float", default=2.0, minimum=1e-6,
                    description="The Gaussian's gamma times the median squared distance.",
                ),
            },
        ),
        BinderSpec(
            name="mox", factory="anybind.methods.mox:Mox",
            summary="BrokenBind's transition matrices in closed form on whole data sets, chained over hops.",
            reference="Huang et al. (2026), arXiv:2602.06451, Eq. 8 and 21",
            options={
                "transition": OptionSpec(
                    type="str", default="ridge", choices=("ridge", "rank", "pinv"),
                    description="How pivot-to-target maps are regularised; pinv is the paper's.",
                ),
                "transition_strength": OptionSpec(
                    type="float", default="auto", minimum=0,
                    description=f"Ridge in units of the mean variance, or the rank: {_AUTO}.",
                ),
                "head_ridge": OptionSpec(
                    type="float", default="auto", minimum=0,
                    description=f"Ridge of the heads, in units of the mean variance: {_AUTO}.",
                ),
            },
        ),
        BinderSpec(
            name="ridge-chain", factory="anybind.methods.ridge_chain:RidgeChain",
            summary="Ridge regression from space to space along the best route: the baseline to beat.",
            options={
                "ridge": OptionSpec(
                    type="float", default="auto", minimum=0,
                    description=f"Ridge of every hop, in units of the mean variance: {_AUTO}.",
                ),
            },
        ),
    ]  # fmt: skip
