"""Where an encoder runs, and in which number format."""

from __future__ import annotations

import torch

from anybind.encoder_kit.options import DTYPES
from anybind.errors import UsageError


def checked_device(encoder: str, device: str) -> torch.device:
    """The device to run on.

    Raises:
        UsageError: there is no such device here.
    """
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(
            f"Encoder {encoder} cannot run on that device.",
            where=f"encoder {encoder}, option device",
            got=device,
            expected="cpu, or an accelerator that torch sees, such as cuda or cuda:1",
            hint=str(error).splitlines()[0] if str(error) else None,
        ) from error
    return found


def checked_dtype(encoder: str, dtype: str) -> torch.dtype:
    """The number format of the network.

    Raises:
        UsageError: it is none of ``anybind.encoder_kit.options.DTYPES``.
    """
    if dtype not in DTYPES:
        raise UsageError(
            f"Encoder {encoder} does not know that number format.", where=f"encoder {encoder}, option dtype",
            got=dtype, expected=", ".join(DTYPES),
        )  # fmt: skip
    found: torch.dtype = getattr(torch, dtype)
    return found
