"""Make the example's data: motions of a hand, computed from physics. Nobody wore a sensor for them.

A hand follows a path in a level plane: circles, shakes and eights as smooth turns, squares, triangles and zigzags
as strokes from corner to corner with the least jerk (Flash and Hogan 1985), which is how people reach. The sensor
measures the second derivative of the position along its two axes, and what spoils it: gravity through a tilted
wrist, tremor near 9 Hz, noise, and whole counts of 1/1024 g up to 8 g. Size and tempo vary from one performance to
the next.

Each of the 480 motions is performed once or only written about: 200 recordings with English words (wrist.jsonl),
200 other motions in English and German words (words.jsonl), and 80 others to test on (test.jsonl).
Run ``python simulate.py`` to write the three files again.
"""

import json
import math
import random
from collections.abc import Callable
from itertools import product
from pathlib import Path

RATE = 32  # readings a second
GRAVITY = 9.81
COUNTS = 1024  # one g
START = 0.15  # seconds from rest to full speed, and back
Point = tuple[float, float]

# English, German with room for the adjective, the adjective's ending, and the path or its corners (size 1)
CIRCLE = (lambda turn: (math.cos(turn), math.sin(turn)), lambda turn: (math.cos(turn), -math.sin(turn)))
EIGHT = (lambda turn: (math.sin(turn), math.sin(2 * turn) / 2),)
SQUARE, TRIANGLE = [(1, 1), (1, -1), (-1, -1), (-1, 1)], [(0, 1), (0.87, -0.5), (-0.87, -0.5)]
ZIGZAG = [(-1, -1), (-0.5, 1), (0, -1), (0.5, 1), (1, -1)]
SHAPES: dict[str, tuple[str, str, Callable[[float], Point] | list[Point]]] = {
    "{} circle clockwise": ("ein {} Kreis im Uhrzeigersinn", "er", CIRCLE[1]),
    "{} circle anticlockwise": ("ein {} Kreis gegen den Uhrzeigersinn", "er", CIRCLE[0]),
    "{} shake left and right": ("ein {} Schütteln nach links und rechts", "es", lambda turn: (math.sin(turn), 0)),
    "{} shake forwards and back": ("ein {} Schütteln vor und zurück", "es", lambda turn: (0, math.sin(turn))),
    "{} diagonal shake": ("ein {} Schütteln in der Diagonale", "es", lambda turn: (math.sin(turn), math.sin(turn))),
    "{} figure eight": ("eine {} Acht", "e", EIGHT[0]),
    "{} square": ("ein {} Quadrat", "es", SQUARE),
    "{} triangle": ("ein {} Dreieck", "es", TRIANGLE),
    "{} zigzag to the right": ("ein {} Zickzack nach rechts", "er", ZIGZAG),
    "{} zigzag forwards": ("ein {} Zickzack nach vorn", "er", [(y, x) for x, y in ZIGZAG]),
}
SIZES = {"small": ("klein", 0.04), "medium": ("mittler", 0.1), "large": ("groß", 0.25)}  # metres
TEMPOS = {"very slow": ("sehr langsam", 1.7), "slow": ("langsam", 1.15), "fast": ("schnell", 0.75),
          "very fast": ("sehr schnell", 0.5)}  # seconds for a turn, or for two strokes  # fmt: skip
TIMES = {"once": "einmal", "twice": "zweimal", "three times": "dreimal", "four times": "viermal"}


def main(folder: Path) -> None:
    """Write the three data sets."""
    motions = list(product(SHAPES, SIZES, TEMPOS, TIMES))
    random.Random(0).shuffle(motions)  # noqa: S311 - no secret
    parts = {"wrist": motions[:200], "words": motions[200:400], "test": motions[400:]}
    held = {"wrist": (recorded, english), "words": (english, german), "test": (recorded, german)}
    for name, part in parts.items():
        rows = [{"id": f"{name}-{i:03}", **held[name][0](*motion), **held[name][1](*motion)}
                for i, motion in enumerate(part)]  # fmt: skip
        lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def english(shape: str, size: str, tempo: str, times: str) -> dict[str, str]:
    """The motion in English words."""
    return {"text_en": f"a {shape.format(size)}, {tempo}, {times}"}


def german(shape: str, size: str, tempo: str, times: str) -> dict[str, str]:
    """The motion in German words."""
    words, ending, _ = SHAPES[shape]
    return {"text_de": f"{words.format(SIZES[size][0] + ending)}, {TEMPOS[tempo][0]}, {TIMES[times]}"}


def recorded(shape: str, size: str, tempo: str, times: str) -> dict[str, list[list[int]]]:
    """What the sensor counts: a list of readings for each of its two axes."""
    rng = random.Random(f"{shape}|{size}|{tempo}|{times}")  # noqa: S311
    radius = SIZES[size][1] * rng.uniform(0.88, 1.12)
    way = SHAPES[shape][2]
    period = TEMPOS[tempo][1] * rng.uniform(0.92, 1.08) * (1 if callable(way) else len(way) / 2)
    repeats = list(TIMES).index(times) + 1
    path = path_of(way, radius, period, repeats)
    tilt = [GRAVITY * math.sin(rng.gauss(0, 0.03)) for _ in range(2)]
    tremor = [(rng.uniform(8, 10), rng.uniform(0, math.tau)) for _ in range(2)]
    axes: list[list[int]] = [[], []]
    for reading in range(round((repeats * period + START + 0.5) * RATE)):
        time = reading / RATE - 0.25
        for axis, acceleration in enumerate(second_derivative(path, time)):
            hertz, phase = tremor[axis]
            spoilt = tilt[axis] + 0.1 * math.sin(math.tau * hertz * time + phase) + rng.gauss(0, 0.1)
            counts = round((acceleration + spoilt) / GRAVITY * COUNTS)
            axes[axis].append(max(-8 * COUNTS, min(8 * COUNTS, counts)))
    return {"accelerometer": axes}


def path_of(
    shape: Callable[[float], Point] | list[Point], radius: float, period: float, repeats: int
) -> Callable[[float], Point]:
    """Position in metres at a time in seconds; at rest before 0 and after the last repetition."""

    end = repeats * period + START

    def position(time: float) -> Point:
        moment = min(max(time, 0.0), end)
        if moment < START:
            moved = moment**2 / (2 * START)
        elif moment < end - START:
            moved = moment - START / 2
        else:
            moved = end - START - (end - moment) ** 2 / (2 * START)
        turns = moved / period
        x, y = shape(math.tau * turns) if callable(shape) else along(shape, turns % 1)
        return radius * x, radius * y

    return position


def along(corners: list[Point], share: float) -> Point:
    """Where a hand is that goes round the corners, stroke by stroke, after a share of the round."""
    stroke, part = divmod(share * len(corners), 1)
    start, end = corners[int(stroke)], corners[(int(stroke) + 1) % len(corners)]
    done = part**3 * (10 - 15 * part + 6 * part**2)  # least jerk
    return start[0] + done * (end[0] - start[0]), start[1] + done * (end[1] - start[1])


def second_derivative(path: Callable[[float], Point], time: float, step: float = 0.02) -> Point:
    """By central differences, which also blur what a real sensor would blur."""
    before, now, after = path(time - step), path(time), path(time + step)
    x, y = ((b - 2 * n + a) / step**2 for b, n, a in zip(before, now, after, strict=True))
    return x, y


if __name__ == "__main__":
    main(Path(__file__).parent)
