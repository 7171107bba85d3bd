"""Broken and hostile files: each refused with the field named, by one child that stays alive and does not grow."""

import io
import struct
import zlib
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from services.matcher.visual.pictures import DEFAULT_LIMITS
from services.matcher.visual.signals import SignalRefused
from services.matcher.visual.worker import FrameWorker

CUTS = [
    0.0,
    0.002,
    0.01,
    0.03,
    0.05,
    0.08,
    0.12,
    0.16,
    0.2,
    0.25,
    0.3,
    0.35,
    0.4,
    0.45,
    0.5,
    0.55,
    0.6,
    0.66,
    0.72,
    0.78,
    0.84,
    0.9,
]
GROWTH_BYTES_MAX = 48 * 1024 * 1024
CASES_MIN = 140

JPEG, PNG, MP4 = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\x00\x00\x00\x18ftypmp42"


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def a_png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 2) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return PNG + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


def a_jpeg_header(width: int, height: int, components: int = 3) -> bytes:
    body = struct.pack(">BHHB", 8, height, width, components) + b"\x01\x11\x00" * components
    return b"\xff\xd8\xff\xc0" + struct.pack(">H", len(body) + 2) + body + b"\xff\xda\x00\x02" + bytes(64) + b"\xff\xd9"


def other_formats(picture) -> dict[str, bytes]:
    made = {}
    for name in ("GIF", "BMP", "TIFF", "WEBP", "PPM", "ICO", "TGA", "PCX", "SGI"):
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, name)
        made[f"a {name}"] = buffer.getvalue()
    return made


def disguised(magic: bytes, label: str) -> dict[str, bytes]:
    """What else might lie behind our first bytes."""
    bodies = {
        "playlist": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        "concat list": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        "markup": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        "nothing": b"",
        "zeros": bytes(4096),
        "ones": b"\xff" * 4096,
        "noise": np.random.default_rng(1).bytes(4096),
        "its magic again": magic * 300,
    }
    return {f"{label} magic, then {name}": magic + body for name, body in bodies.items()}


def without_magic() -> dict[str, bytes]:
    return {
        "nothing": b"",
        "one byte": b"\xff",
        "a playlist": b"#EXTM3U\nhttp://127.0.0.1/secret\n",
        "a concat list": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        "text": b"a picture, honestly",
        "json": b'{"image": true}',
        "html": b"<!doctype html><script>alert(1)</script>",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        "zip": b"PK\x03\x04" + bytes(200),
        "gzip": b"\x1f\x8b\x08" + bytes(200),
        "elf": b"\x7fELF" + bytes(200),
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n",
        "matroska": b"\x1a\x45\xdf\xa3" + bytes(200),
        "avi": b"RIFF\x00\x00\x00\x00AVI " + bytes(200),
        "ogg": b"OggS" + bytes(200),
        "flv": b"FLV\x01\x05" + bytes(200),
        "mpeg ts": b"\x47" + bytes(187),
        "a key": b"-----BEGIN PRIVATE KEY-----\n",
        "utf-16": "picture".encode("utf-16"),
    }


def bombs() -> dict[str, bytes]:
    idat = chunk(b"IDAT", zlib.compress(bytes(1000)))
    wide = zlib.compress(bytes(50_000_000), 9)
    return {
        "png of 60000 x 60000": a_png(60_000, 60_000, idat),
        "png of 2^31 x 2^31": a_png(2**31 - 1, 2**31 - 1, idat),
        "png of 20000 x 16": a_png(20_000, 16, idat),
        "png of 5000 x 5000": a_png(5000, 5000, idat),
        "png of 1 x 1": a_png(1, 1, chunk(b"IDAT", zlib.compress(b"\x00abc"))),
        "png of 0 x 0": a_png(0, 0, idat),
        "png with too few rows": a_png(640, 480, idat),
        "png without pixels": a_png(640, 480),
        "png with a text bomb": a_png(64, 64, chunk(b"zTXt", b"a\x00\x00" + wide), idat),
        "png with a profile bomb": a_png(64, 64, chunk(b"iCCP", b"a\x00\x00" + wide), idat),
        "png of unknown depth": a_png(64, 64, idat, depth=3),
        "png of unknown colour": a_png(64, 64, idat, colour=9),
        "png with a broken checksum": a_png(64, 64, idat[:-4] + b"abcd"),
        "png with broken compression": a_png(64, 64, chunk(b"IDAT", b"not zlib" * 20)),
        "png with a palette missing": a_png(64, 64, idat, colour=3),
        "jpeg of 65535 x 65535": a_jpeg_header(65_535, 65_535),
        "jpeg of 65535 x 16": a_jpeg_header(65_535, 16),
        "jpeg of 6000 x 6000": a_jpeg_header(6000, 6000),
        "jpeg of 0 x 0": a_jpeg_header(0, 0),
        "jpeg of 4 x 4": a_jpeg_header(4, 4),
        "jpeg of seven components": a_jpeg_header(64, 64, 7),
        "jpeg of no components": a_jpeg_header(64, 64, 0),
        "jpeg of nothing but markers": b"\xff\xd8" + b"\xff\xe0\x00\x02" * 500 + b"\xff\xd9",
        "jpeg with an endless segment": b"\xff\xd8\xff\xe1\xff\xff" + bytes(100),
        "image over the limit": JPEG + bytes(DEFAULT_LIMITS.image_bytes_max),
        "video over the limit": MP4 + bytes(DEFAULT_LIMITS.video_bytes_max),
    }


def video_cases(files, scene) -> dict[str, bytes]:
    sound = io.BytesIO()
    with av.open(sound, mode="w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44_100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 44_100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    good = files.mp4([scene(1), scene(2)])
    header = good.index(b"moov")
    return {
        "sound without picture": sound.getvalue(),
        "a video that lasts too long": files.mp4([scene(1, 64, 48)] * 64, rate=1, frames_each=1),
        "a video of tiny frames": files.mp4([scene(1)[:8, :8]]),
        "a video without its frames": good[: good.index(b"mdat") - 4] + good[header - 4 :],
        "a video with frames of noise": _noisy(good),
        "boxes within boxes": b"\x00\x00\x00\x18ftypmp42" + bytes(12) + b"\x00\x00\x10\x00moov" * 500,
        "a box of 2^63 bytes": MP4 + bytes(12) + b"\x00\x00\x00\x01moov" + b"\x7f" + b"\xff" * 7,
        "a box of negative size": MP4 + bytes(12) + b"\x00\x00\x00\x03moov" + bytes(64),
        "a huge frame in the header": _resized(good, 65_000, 65_000),
        "an empty frame in the header": _resized(good, 0, 0),
    }


def _noisy(good: bytes) -> bytes:
    start = good.index(b"mdat") + 4
    end = good.index(b"moov") - 4
    return good[:start] + np.random.default_rng(2).bytes(end - start) + good[end:]


def _resized(good: bytes, width: int, height: int) -> bytes:
    """The sample entry's word about the frame's size, changed; the decoder then finds another one."""
    place = good.index(b"avc1", good.index(b"stsd")) + 4 + 24
    return good[:place] + struct.pack(">HH", width, height) + good[place + 4 :].replace(b"avcC", b"free")


@pytest.fixture(scope="module")
def hostile(files, scene) -> dict[str, bytes]:
    picture = scene(1)
    good = {"jpeg": files.jpeg(picture), "png": files.png(picture), "mp4": files.mp4([picture, scene(2)])}
    cut = {
        f"{name} cut at {share}": payload[: int(len(payload) * share)]
        for name, payload in good.items()
        for share in CUTS
    }
    return {
        **cut,
        **other_formats(picture),
        **without_magic(),
        **disguised(JPEG, "jpeg"),
        **disguised(PNG, "png"),
        **disguised(MP4, "mp4"),
        **bombs(),
        **video_cases(files, scene),
    }


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


async def refused_field(worker: FrameWorker, payload: bytes) -> str:
    ask = worker.of_video(payload, at="videos[0].video") if payload[4:8] == b"ftyp" else None
    with pytest.raises(SignalRefused) as refusal:
        await (ask or worker.of_images([(0, payload)], at="videos[0].images"))
    violation = refusal.value.violations[0]
    assert violation.description
    return violation.field


@pytest.mark.timeout(300)
async def test_every_hostile_file_is_refused_by_a_child_that_lives_on(hostile, files, scene):
    assert len(hostile) >= CASES_MIN
    good = files.jpeg(scene(1))
    async with FrameWorker() as worker:
        await worker.of_images([(0, good)], at="images")
        pid = worker.pid
        assert pid is not None
        for name, payload in hostile.items():
            field = await refused_field(worker, payload)
            assert field in {"videos[0].video", "videos[0].images[0]"}, name
            assert worker.pid == pid, name
        warm = resident_bytes(pid)
        for payload in list(hostile.values())[::3]:
            await refused_field(worker, payload)
        assert resident_bytes(pid) - warm < GROWTH_BYTES_MAX
        assert worker.restart_count == 0
        assert len(await worker.of_images([(0, good)], at="images")) == 1


@pytest.mark.timeout(120)
async def test_damaged_files_are_read_or_refused_but_never_break_the_child(files, scene):
    chance = np.random.default_rng(7)
    async with FrameWorker() as worker:
        pid = worker.pid
        for whole in (files.jpeg(scene(1)), files.png(scene(1)), files.mp4([scene(1), scene(2)])):
            for _ in range(12):
                payload = bytearray(whole)
                for place in chance.integers(16, len(payload), 8):
                    payload[place] = int(chance.integers(0, 256))
                ask = worker.of_video if payload[4:8] == b"ftyp" else worker_images(worker)
                try:
                    frames = await ask(bytes(payload), at="file")
                except SignalRefused as refusal:
                    assert refusal.violations[0].field.startswith("file")
                else:
                    assert len(frames) >= 1
        assert worker.pid == pid
        assert worker.restart_count == 0


def worker_images(worker: FrameWorker):
    async def ask(payload: bytes, *, at: str):
        return await worker.of_images([(0, payload)], at=at)

    return ask
