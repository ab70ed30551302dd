"""``auto``: several methods, chosen or averaged."""

from __future__ import annotations

from anybind.builtin.binders.feature_options import feature_options
from anybind.specs import BinderSpec, OptionSpec

BINDERS = [
    BinderSpec(
        name="auto", factory="anybind.methods.auto:Auto",
        summary="The average of the closed-form methods that retrieve held-out rows best.",
        options={
            "methods": OptionSpec(
                type="list[str]",
                description="What to choose among: some of pcca, cca-chain, pivot, relative; the first two if none.",
            ),
            "combine": OptionSpec(
                type="str", default="average", choices=("average", "best"),
                description="average those that come close to the best, or take the best alone.",
            ),
            "tolerance": OptionSpec(
                type="float", default=0.03, minimum=0, maximum=1,
                description="How much less than the best comes close, as a share of its held-out MRR.",
            ),
            **feature_options(),
        },
    ),
]  # fmt: skip
