"""Pictures that belong to no title (text cards, credits, gradients, plain shapes), drawn here, always the same.

A frame model finds text on black alike whatever the text says. A reference window near one of these pictures would
match strangers' videos, so it gets no embedding.
"""

from random import Random

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

WIDTH, HEIGHT = 320, 180
SEED = 5
LARGE_LINES_MAX = 3
WORDS = (
    "COMING",
    "this summer",
    "PRESENTS",
    "in theatres",
    "part 2",
    "from the director",
    "THE END",
    "october 4",
    "A FILM BY",
    "wait",
    "only",
    "NOW",
)


def generic_pictures() -> tuple[Picture, ...]:
    chance = Random(SEED)  # noqa: S311  pictures, not secrets
    grounds = (False, False, True)
    cards = [_card(chance, lines, is_light=one) for lines in (1, 1, 1, 2, 2, 3, 6) for one in grounds]
    return (*cards, *(_gradient(chance) for _ in range(6)), *(_blobs(chance) for _ in range(5)))


def _card(chance: Random, lines: int, *, is_light: bool) -> Picture:
    ground, ink = ((245,) * 3, (10,) * 3) if is_light else ((4,) * 3, (240,) * 3)
    picture = np.full((HEIGHT, WIDTH, 3), ground, np.uint8)
    width = chance.choice((0.35, 0.55, 0.75, 0.95)) / (1 if lines <= LARGE_LINES_MAX else 1.5)
    for line in range(lines):
        words = chance.choice(WORDS)
        size = width * WIDTH / cv2.getTextSize(words, cv2.FONT_HERSHEY_DUPLEX, 1.0, 2)[0][0]
        size = min(size, 0.8 * HEIGHT / lines / 30)
        text_width = int(cv2.getTextSize(words, cv2.FONT_HERSHEY_DUPLEX, size, 2)[0][0])
        y = int(HEIGHT * (line + 0.5) / lines + 11 * size)
        weight = max(1, round(2 * size))
        cv2.putText(
            picture, words, ((WIDTH - text_width) // 2, y), cv2.FONT_HERSHEY_DUPLEX, size, ink, weight, cv2.LINE_AA
        )
    return picture


def _gradient(chance: Random) -> Picture:
    corners = np.array([[[chance.randint(0, 255) for _ in range(3)] for _ in range(2)] for _ in range(2)], np.float32)
    return np.asarray(np.clip(cv2.resize(corners, (WIDTH, HEIGHT)), 0, 255), np.uint8)


def _blobs(chance: Random) -> Picture:
    picture = _gradient(chance) // 3
    for _ in range(4):
        centre = (chance.randint(0, WIDTH), chance.randint(0, HEIGHT))
        cv2.circle(picture, centre, chance.randint(15, 60), [chance.randint(60, 255) for _ in range(3)], -1)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 9), np.uint8)
