"""The options that all trained methods share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from anybind.errors import UnknownNameError, UsageError

LARGEST_SCALE = 100.0


@dataclass(frozen=True)
class TrainingOptions:
    """How heads are made and trained.

    Args:
        head: "linear" or "mlp" (one hidden layer, GELU).
        joint_dim: Length of the joint vectors.
        hidden_dim: Width of an mlp's hidden layer.
        epochs: Epochs of the schedule; early stopping may end it sooner.
        batch_size: Rows of every data set per step.
        learning_rate: AdamW's, after warm-up; falls along a cosine.
        weight_decay: AdamW's.
        noise: Gaussian noise on the inputs as regularisation: as strong as this many times d isotropic
            pseudo-rows for a space of d dims; 0 for none.
        mixing: FuseMix: the parameter of the Beta distribution that mixes two rows; 0 for none.
        temperature: Divides the cosines.
        temperatures: Temperatures of single spaces, as "image=0.05".
        learn_temperature: Whether the temperatures are trained too.
        neighbourhood: Weight of STRUCTURE's neighbourhood preservation; 0 for none.
        patience: Epochs without a better held-out retrieval before training stops; 0: never stop early.
        refit: Train again on all rows for the best number of epochs.
    """

    head: str = "linear"
    joint_dim: int = 256
    hidden_dim: int = 512
    epochs: int = 60
    batch_size: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.1
    noise: float = 1.0
    mixing: float = 0.0
    temperature: float = 0.1
    temperatures: Sequence[str] | None = None
    learn_temperature: bool = False
    neighbourhood: float = 0.0
    patience: int = 8
    refit: bool = True


def scales_of(options: TrainingOptions, spaces: Iterable[str]) -> dict[str, float]:
    """Space -> one over its temperature, at most 100.

    Raises:
        UsageError: an entry of ``temperatures`` is not "space=number" with a number above 0.
        UnknownNameError: it names a space that is not trained.
    """
    chosen = dict.fromkeys(spaces, options.temperature)
    for entry in options.temperatures or ():
        space, value = named_number(entry, "temperatures", above=0)
        if space not in chosen:
            raise UnknownNameError(
                "a temperature is given for a space that is not trained", where="option temperatures",
                got=space, expected=", ".join(chosen),
            )  # fmt: skip
        chosen[space] = value
    return {space: min(1 / temperature, LARGEST_SCALE) for space, temperature in chosen.items()}


def named_number(entry: str, option: str, *, above: float) -> tuple[str, float]:
    """("image", 0.05) of "image=0.05"; raises UsageError unless it is such a text with a number above ``above``."""
    space, found, text = entry.rpartition("=")
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not found or not space or not above < value < float("inf"):
        raise UsageError(
            "an option names no space and number", where=f"option {option}", got=entry,
            expected=f"<space>=<number above {above:g}>",
        )  # fmt: skip
    return space.strip(), value
