"""What a fit may use besides its data: the ranks it runs on, where it keeps checkpoints, who hears how far it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from anybind.distributed import Runtime
from anybind.progress import EpochCallback


@dataclass(frozen=True)
class FitContext:
    """Where and how a fit runs; nothing here changes what is fitted.

    Attributes:
        runtime: The ranks that work together.
        checkpoints: Folder in which a trained method keeps its checkpoints and its log of epochs, so that a
            killed fit goes on from the last epoch; None keeps none.
        progress: Told after every epoch; a bar on stderr when None and stderr is a terminal.
    """

    runtime: Runtime = field(default_factory=Runtime)
    checkpoints: Path | None = None
    progress: EpochCallback | None = None
