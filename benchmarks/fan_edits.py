"""The edits fans make to a film's picture before they post it, seeded: the same seed makes the same edit."""

from collections.abc import Callable
from random import Random

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Edit = Callable[[Picture, Picture, Random], Picture]  # the film's picture, what the fan adds, chance

CAPTIONS = ("POV: you finally watch it", "wait for the end", "this scene lives rent free", "part 7", "no spoilers!!")


def jpeg(picture: Picture, _other: Picture, chance: Random) -> Picture:
    quality = [cv2.IMWRITE_JPEG_QUALITY, chance.randint(10, 30)]
    return decoded(cv2.imencode(".jpg", picture, quality)[1])


def resize(picture: Picture, _other: Picture, chance: Random) -> Picture:
    scale = chance.uniform(0.35, 0.8)
    stretch = chance.uniform(0.95, 1.05)
    return scaled(picture, int(picture.shape[1] * scale * stretch), int(picture.shape[0] * scale))


def crop(picture: Picture, _other: Picture, chance: Random) -> Picture:
    """Take 5 to 30 % off each way, from a random place."""
    height, width = picture.shape[:2]
    keep_x, keep_y = 1.0 - chance.uniform(0.05, 0.3), 1.0 - chance.uniform(0.05, 0.3)
    new_width, new_height = int(width * keep_x), int(height * keep_y)
    left, top = chance.randint(0, width - new_width), chance.randint(0, height - new_height)
    return picture[top : top + new_height, left : left + new_width].copy()


def fill_vertical(picture: Picture, _other: Picture, chance: Random) -> Picture:
    """Cut a 9:16 piece out of it, somewhere near the middle."""
    height, width = picture.shape[:2]
    new_width = min(width, int(height * 9 / 16))
    spare = width - new_width
    left = int(spare * chance.uniform(0.3, 0.7))
    return scaled(picture[:, left : left + new_width], 360, 640)


def bars_black(picture: Picture, _other: Picture, chance: Random) -> Picture:
    canvas = np.zeros((640, 360, 3), np.uint8)
    return placed(canvas, fitted(picture, 360, 640), 0, chance.uniform(0.35, 0.65))


def bars_blurred(picture: Picture, _other: Picture, chance: Random) -> Picture:
    background = cv2.GaussianBlur(covered(picture, 360, 640), (0, 0), 18)
    return placed(background, fitted(picture, 360, 640), 0, chance.uniform(0.4, 0.6))


def mirror(picture: Picture, _other: Picture, _chance: Random) -> Picture:
    return np.ascontiguousarray(picture[:, ::-1])


def caption(picture: Picture, _other: Picture, chance: Random) -> Picture:
    """White text with a black outline, one or two lines."""
    out = picture.copy()
    height, width = out.shape[:2]
    y = int(height * chance.choice((0.15, 0.5, 0.75, 0.9)))
    for line in chance.sample(CAPTIONS, chance.randint(1, 2)):
        text_width = cv2.getTextSize(line, cv2.FONT_HERSHEY_DUPLEX, 1.0, 2)[0][0]
        size = 0.9 * width / text_width
        for colour, weight in (((0, 0, 0), 5), ((255, 255, 255), 2)):
            cv2.putText(out, line, (int(width * 0.05), y), cv2.FONT_HERSHEY_DUPLEX, size, colour, weight, cv2.LINE_AA)
        y += int(size * 34)
    return out


def stickers(picture: Picture, _other: Picture, chance: Random) -> Picture:
    """Two to four round faces and boxes of up to a fifth of the height."""
    out = picture.copy()
    height, width = out.shape[:2]
    for _ in range(chance.randint(2, 4)):
        radius = int(height * chance.uniform(0.05, 0.1))
        centre = (chance.randint(radius, max(radius, width - radius)), chance.randint(radius, height - radius))
        colour = tuple(chance.randint(0, 255) for _ in range(3))
        if chance.random() < 0.6:
            cv2.circle(out, centre, radius, (60, 200, 250), -1, cv2.LINE_AA)
            for side in (-1, 1):
                cv2.circle(
                    out, (centre[0] + side * radius // 3, centre[1] - radius // 4), radius // 7, (30, 30, 30), -1
                )
            cv2.ellipse(out, centre, (radius // 2, radius // 2), 0, 20, 160, (30, 30, 30), 2, cv2.LINE_AA)
        else:
            corner = (centre[0] + 2 * radius, centre[1] + radius)
            cv2.rectangle(out, centre, corner, colour, -1)
    return out


def colour_filter(picture: Picture, _other: Picture, chance: Random) -> Picture:
    """Brightness, contrast, saturation and tint of the usual filters; one in five is black and white."""
    hsv = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV).astype(np.float32)
    hsv[..., 0] = (hsv[..., 0] + chance.uniform(-12, 12)) % 180
    hsv[..., 1] *= 0.0 if chance.random() < 0.2 else chance.uniform(0.4, 1.7)
    toned = cv2.cvtColor(np.clip(hsv, 0, 255).astype(np.uint8), cv2.COLOR_HSV2BGR).astype(np.float32)
    toned = (toned - 128) * chance.uniform(0.7, 1.4) + 128 + chance.uniform(-35, 35)
    return np.clip(toned * [chance.uniform(0.85, 1.15) for _ in range(3)], 0, 255).astype(np.uint8)


def inset_60(picture: Picture, other: Picture, chance: Random) -> Picture:
    return inset(picture, other, chance, 0.60)


def inset_35(picture: Picture, other: Picture, chance: Random) -> Picture:
    return inset(picture, other, chance, 0.35)


def inset(picture: Picture, other: Picture, chance: Random, share: float) -> Picture:
    """The film in a window of this share of the width over the fan's own picture."""
    canvas = covered(other, 640, 360) if picture.shape[1] >= picture.shape[0] else covered(other, 360, 640)
    height, width = canvas.shape[:2]
    small = fitted(picture, int(width * share), int(height * max(share, 0.5)))
    return placed(canvas, small, chance.uniform(0.03, 0.97), chance.uniform(0.03, 0.97))


def split_screen(picture: Picture, other: Picture, chance: Random) -> Picture:
    """The film in one half of a vertical video (or side by side), the fan or a game in the other."""
    if picture.shape[1] >= picture.shape[0]:
        halves = [covered(picture, 360, 320), covered(other, 360, 320)]
        chance.shuffle(halves)
        return np.vstack(halves)
    halves = [covered(picture, 320, 480), covered(other, 320, 480)]
    chance.shuffle(halves)
    return np.hstack(halves)


def rotation(picture: Picture, _other: Picture, chance: Random) -> Picture:
    """Tilted by 2 to 10 degrees and enlarged so that no corner shows."""
    height, width = picture.shape[:2]
    angle = chance.choice((-1, 1)) * chance.uniform(2, 10)
    turned = np.deg2rad(abs(angle))
    grow = max(
        np.cos(turned) + np.sin(turned) * height / width,
        np.cos(turned) + np.sin(turned) * width / height,
    )
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, float(grow))
    return np.asarray(cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_LINEAR), np.uint8)


def screen_photo(picture: Picture, _other: Picture, chance: Random) -> Picture:
    """A photo of a screen: perspective, dark surround, lines, glare, noise."""
    height, width = picture.shape[:2]
    edge = [(0, 0), (width, 0), (width, height), (0, height)]
    inner = [
        (
            x + (1 if x == 0 else -1) * width * chance.uniform(0.02, 0.10),
            y + (1 if y == 0 else -1) * height * chance.uniform(0.02, 0.10),
        )
        for x, y in edge
    ]
    matrix = cv2.getPerspectiveTransform(np.array(edge, np.float32), np.array(inner, np.float32))
    surround = tuple(chance.randint(8, 40) for _ in range(3))
    shot = cv2.warpPerspective(picture, matrix, (width, height), borderMode=cv2.BORDER_CONSTANT, borderValue=surround)
    rows = 1.0 + 0.06 * np.sin(np.arange(height) * chance.uniform(0.8, 2.2))[:, None, None]
    slope = np.linspace(chance.uniform(0.75, 1.0), chance.uniform(1.0, 1.25), width)[None, :, None]
    noise = np.random.default_rng(chance.randint(0, 2**31)).normal(0, 6, shot.shape)
    return np.clip(shot * rows * slope + noise, 0, 255).astype(np.uint8)


def combination(picture: Picture, other: Picture, chance: Random) -> Picture:
    """Two or three edits on top of each other: content first, then layout, then the upload."""
    first = chance.choice((caption, stickers, colour_filter, crop, mirror))
    second = chance.choice((bars_black, bars_blurred, fill_vertical, inset_60, split_screen, rotation))
    return jpeg(second(first(picture, other, chance), other, chance), other, chance)


EDITS: dict[str, Edit] = {
    "jpeg": jpeg,
    "resize": resize,
    "crop": crop,
    "fill_vertical": fill_vertical,
    "bars_black": bars_black,
    "bars_blurred": bars_blurred,
    "mirror": mirror,
    "caption": caption,
    "stickers": stickers,
    "colour_filter": colour_filter,
    "inset_60": inset_60,
    "inset_35": inset_35,
    "split_screen": split_screen,
    "rotation": rotation,
    "screen_photo": screen_photo,
    "combination": combination,
}


def scaled(picture: Picture, width: int, height: int) -> Picture:
    size = (max(8, width), max(8, height))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def fitted(picture: Picture, width: int, height: int) -> Picture:
    """As large as fits into the box, nothing cut."""
    scale = min(width / picture.shape[1], height / picture.shape[0])
    return scaled(picture, round(picture.shape[1] * scale), round(picture.shape[0] * scale))


def covered(picture: Picture, width: int, height: int) -> Picture:
    """Fills the box, the rest cut evenly."""
    scale = max(width / picture.shape[1], height / picture.shape[0])
    large = scaled(picture, int(np.ceil(picture.shape[1] * scale)), int(np.ceil(picture.shape[0] * scale)))
    left, top = (large.shape[1] - width) // 2, (large.shape[0] - height) // 2
    return large[top : top + height, left : left + width].copy()


def placed(canvas: Picture, picture: Picture, x_share: float, y_share: float) -> Picture:
    """The picture on the canvas, its free room left and above in these shares."""
    left = int((canvas.shape[1] - picture.shape[1]) * x_share)
    top = int((canvas.shape[0] - picture.shape[0]) * y_share)
    canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas


def decoded(data: NDArray[np.uint8]) -> Picture:
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
