"""A stand-in for RapidOCR where it is not installed: reads a word from the colour of a picture's upper left corner.

Red says "Dune", blue says nothing, green ends the process that reads, as a broken model file might.
"""

import os
from types import SimpleNamespace

CORNER_PX = 40
RED_MIN = 180


class RapidOCR:
    def __init__(self, params: dict[str, object]) -> None:
        self.params = params

    def __call__(self, picture) -> SimpleNamespace:
        blue, green, red = (float(value) for value in picture[:CORNER_PX, :CORNER_PX].mean(axis=(0, 1)))
        if green > RED_MIN > red:
            os._exit(3)
        is_read = red > RED_MIN > max(blue, green)
        return SimpleNamespace(txts=("Dune",) if is_read else (), scores=(0.99,) if is_read else ())
