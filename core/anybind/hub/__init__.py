"""Artifacts on the Hugging Face Hub: what a folder holds is what is uploaded, and what comes down is checked."""

from anybind.hub.pulling import pull
from anybind.hub.pushing import PushResult, push

__all__ = ["PushResult", "pull", "push"]
