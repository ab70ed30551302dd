"""The options by which methods ask for kernel features."""

from __future__ import annotations

from anybind.specs import OptionSpec


def feature_options(default: str = "auto") -> dict[str, OptionSpec]:
    """The options, with a method's own default for ``features``."""
    return {
        "features": OptionSpec(
            type="str", default=default, choices=("auto", "identity", "nystroem", "fourier"),
            description="What replaces the vectors: nothing (identity), kernel features from landmarks (nystroem) or "
            "random ones (fourier); auto takes identity or nystroem, whichever retrieves held-out rows better.",
        ),
        "kernel": OptionSpec(
            type="str", default="gaussian", choices=("gaussian", "laplacian"), description="The features' kernel."
        ),
        "width": OptionSpec(
            type="float", default="auto", minimum=1e-6,
            description="The kernel's width in units of the median distance, larger is narrower; or auto.",
        ),
        "landmarks": OptionSpec(
            type="int", default=1024, minimum=2, description="Rows of a space that make its features, at most."
        ),
        "feature_dims": OptionSpec(
            type="int", default=384, minimum=1, description="Features of a space: at most, where they are nystroem."
        ),
    }  # fmt: skip
