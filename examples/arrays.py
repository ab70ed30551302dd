"""Bind images to sounds from arrays: one data set pairs images with texts, another texts with sounds."""

import numpy as np

import anybind

rng = np.random.default_rng(0)
items, topics = 400, 12


def embed(meaning: np.ndarray, dim: int, seed: int) -> np.ndarray:
    """Stands for a frozen encoder: a fixed map of what an item means, with noise of its own."""
    weights = np.random.default_rng(seed).standard_normal((topics, dim))
    return (meaning @ weights + rng.standard_normal((len(meaning), dim))).astype(np.float32)


first, second, test = (rng.standard_normal((n, topics)) for n in (items, items, 100))
binder = anybind.fit(
    {
        "captions": {"image": embed(first, 64, 1), "text": embed(first, 48, 2)},
        "sounds": {"text": embed(second, 48, 2), "audio": embed(second, 32, 3)},
    },
    targets=[("image", "audio")],
)
test_images, test_sounds = embed(test, 64, 1), embed(test, 32, 3)
scores = binder.score("image", test_images, "audio", test_sounds)  # (100, 100), no image was ever seen with a sound
(result,) = anybind.evaluate(binder, {"image": test_images, "audio": test_sounds}, pairs=[("image", "audio")])
print(f"best match of image 0: sound {scores[0].argmax().item()}")
print(f"MRR {result.mrr:.2f}, chance {result.chance.mrr:.2f}")
