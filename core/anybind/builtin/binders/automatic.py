"""``auto``: a method chosen among several, or their average."""

from __future__ import annotations

from anybind.builtin.binders.feature_options import feature_options
from anybind.specs import BinderSpec, OptionSpec

BINDERS = [
    BinderSpec(
        name="auto", factory="anybind.methods.auto:Auto",
        summary="Of several closed-form methods the one that retrieves held-out rows best.",
        options={
            "methods": OptionSpec(
                type="list[str]",
                description="What to choose among, in order of preference: some of cca-chain, pcca, pivot, relative; "
                "the first two if none.",
            ),
            "combine": OptionSpec(
                type="str", default="first", choices=("first", "average"),
                description="Of those that come close to the best, take the first alone, or average all.",
            ),
            "tolerance": OptionSpec(
                type="float", default=0.03, minimum=0, maximum=1,
                description="How much less than the best comes close, as a share of its held-out MRR.",
            ),
            **feature_options(),
        },
    ),
]  # fmt: skip
