"""Google's speech embedding in onnxruntime: sound to 576 numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import torch

import anybind
from anybind.encoder_kit.batches import encode_in_batches
from anybind_audio import weights
from anybind_audio.clips import RATE, at_16_khz, at_least, check_clips, segment_means

MEL_HOP, MEL_FRAME = 160, 512  # in frames of sound at 16 kHz
WINDOW, HOP, BANDS, DIM = 76, 8, 32, 96
WINDOW_FRAMES = (WINDOW - 1) * MEL_HOP + MEL_FRAME  # 790 ms: the sound that one window of mel frames is made of
WINDOW_HOP = HOP * MEL_HOP  # 80 ms
BLOCK = 375  # windows that go through at once: 30 s


class SpeechEmbedding:
    """Google's speech embedding of each 80 ms, summed up over the clip.

    A network of about 330,000 weights maps windows of 76 mel frames (790 ms) to 96 numbers; windows follow each
    other every 8 frames (80 ms). The vector of a clip is the mean and the standard deviation of its windows, and
    the mean of each quarter of them in order of time: 6 x 96 numbers.

    A clip is brought to 16 kHz and gets silence on both sides: ``context`` seconds, and more where it is still
    shorter than a window. Single words are shorter than a window, and their beginnings and ends would hardly count
    without. What is left after the last whole window, less than 80 ms, does not count. Sound goes through in blocks
    of 30 s, and silence lies 80 dB below the loudest of its block.

    Source: Lin, Kilgour, Roblek and Sharifi, "Training Keyword Spotters with Limited and Synthesized Speech Data"
    (https://arxiv.org/abs/2002.01322); weights as converted for wake words, x / 10 + 2 on the mel energies.

    Args:
        spec: The encoder's spec, with ``dim`` 576.
        context: Seconds of silence before and after a clip, 0 to 10. Half a window by default: the middle of the
            first window is then the beginning of the clip.
        threads: Threads of onnxruntime, at least 1.

    Raises:
        anybind.PluginError: the weights are missing or damaged.
    """

    def __init__(self, spec: anybind.EncoderSpec, *, context: float = 0.4, threads: int = 1) -> None:
        self.spec = spec
        self._silence = round(context * RATE)
        self._mel = _session(weights.MEL.checked(), threads)
        self._embedding = _session(weights.EMBEDDING.checked(), threads)

    def encode(self, samples: Sequence[anybind.AudioClip]) -> torch.Tensor:
        """Embed clips, in order. Each goes through alone, so that others beside it change nothing.

        Returns:
            (len(samples), 576) float32 tensor on the CPU.

        Raises:
            anybind.DataError: a sample is no AudioClip of finite numbers, or its rate is beyond 1 ... 768 kHz.
        """
        check_clips(self.spec.name, samples)
        return encode_in_batches(samples, lambda one: self._clip(one[0])[None], batch_size=1, dim=self.spec.dim)

    def _clip(self, clip: anybind.AudioClip) -> torch.Tensor:
        sound = at_16_khz(clip)
        windows = self.windows(at_least(sound, max(len(sound) + 2 * self._silence, WINDOW_FRAMES)))
        return torch.cat([windows.mean(0), windows.std(0, correction=0), segment_means(windows)])

    def windows(self, sound: torch.Tensor) -> torch.Tensor:
        """(frames,) sound at 16 kHz, at least one window long -> (windows, 96), one for each 80 ms."""
        count = (len(sound) - WINDOW_FRAMES) // WINDOW_HOP + 1
        blocks = []
        for first in range(0, count, BLOCK):
            last = min(first + BLOCK, count) - 1
            blocks.append(self._block(sound[first * WINDOW_HOP : last * WINDOW_HOP + WINDOW_FRAMES].numpy()))
        return torch.from_numpy(np.concatenate(blocks))

    def _block(self, sound: Any) -> Any:
        (mel,) = self._mel.run(None, {self._mel.get_inputs()[0].name: sound[None]})
        frames = mel.reshape(-1, BANDS) / 10 + 2
        windows = np.lib.stride_tricks.sliding_window_view(frames, WINDOW, axis=0)[::HOP].transpose(0, 2, 1)
        (found,) = self._embedding.run(None, {self._embedding.get_inputs()[0].name: windows[..., None]})
        return found.reshape(-1, DIM)


def _session(path: Any, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
