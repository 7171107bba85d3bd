"""Samples frames from a short MP4 of unknown origin: key frames first, whole stretches only within a CPU budget."""

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from services.matcher.visual.pictures import Limits, Picture, check_size
from services.matcher.visual.signals import refused

CANDIDATES_MAX = 48  # frames held at once while the best are chosen
KEY_FRAMES_ENOUGH = 6
STEP_S = 0.5  # between frames taken where key frames are too few
PACKETS_MAX = 20_000

# Only the mp4 demuxer, reading only the bytes given: no other path, no other protocol, no external data references.
DEMUXER = "mp4"
DEMUXER_OPTIONS = {
    "protocol_whitelist": "none",
    "enable_drefs": "0",
    "use_absolute_path": "0",
    "probesize": "5000000",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One sampled frame."""

    t_ms: int
    picture: Picture


def read_video(payload: bytes, limits: Limits, *, at: str) -> tuple[Moment, ...]:
    """At most `frames_max` frames spread over the video, at most `side_px` long."""
    try:
        with av.open(
            io.BytesIO(payload), mode="r", format=DEMUXER, options=DEMUXER_OPTIONS, metadata_errors="ignore"
        ) as container:
            if not container.streams.video:
                raise refused(at, "no picture track")
            stream = container.streams.video[0]
            _check_stream(stream, limits, at=at)
            stream.codec_context.thread_count = 1
            moments = _key_moments(container, stream, limits)
            if len(moments) < KEY_FRAMES_ENOUGH:
                moments = _merged(moments, _stepped_moments(container, stream, limits))
    except (av.FFmpegError, OSError, ValueError, OverflowError, MemoryError, UnicodeError, RuntimeError) as error:
        raise refused(at, "not a readable mp4 file") from error
    if not moments:
        raise refused(at, "no frame could be decoded")
    return spread(moments, limits.frames_max)


def _check_stream(stream: VideoStream, limits: Limits, *, at: str) -> None:
    if stream.codec_context is None:
        raise refused(at, "its picture track has no known codec")
    check_size(stream.width, stream.height, limits.video_pixels_max, limits, at=at)
    seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
    if seconds > limits.video_s_max:
        raise refused(at, f"at most {limits.video_s_max:g} seconds, not {seconds:.0f}")


def _key_moments(container: av.container.InputContainer, stream: VideoStream, limits: Limits) -> list[Moment]:
    stream.codec_context.skip_frame = "NONKEY"
    moments: list[Moment] = []
    for frame in _frames(container, stream, limits):
        moments.append(_moment(frame, limits))
        if len(moments) >= CANDIDATES_MAX:
            break
    return moments


def _stepped_moments(container: av.container.InputContainer, stream: VideoStream, limits: Limits) -> list[Moment]:
    """A frame each half second from the start on, until the CPU budget is spent."""
    container.seek(0)
    stream.codec_context.skip_frame = "NONREF"
    ends = time.process_time() + limits.decode_s_max
    moments: list[Moment] = []
    due = 0.0
    for frame in _frames(container, stream, limits):
        if frame.time is not None and frame.time >= due:
            moments.append(_moment(frame, limits))
            due = frame.time + STEP_S
        if time.process_time() > ends or len(moments) >= CANDIDATES_MAX:
            break
    return moments


def _frames(container: av.container.InputContainer, stream: VideoStream, limits: Limits) -> Iterator[VideoFrame]:
    """Decoded frames within the limits; damage ends the stream, what came before it stays."""
    packets = 0
    try:
        for packet in container.demux(stream):
            packets += 1
            if packets > PACKETS_MAX:
                return
            for frame in packet.decode():
                if frame.time is not None and frame.time > limits.video_s_max:
                    return
                if frame.width * frame.height > limits.video_pixels_max:
                    return  # the size may change within a stream: the header's word was not enough
                yield frame
    except av.FFmpegError:
        return


def _moment(frame: VideoFrame, limits: Limits) -> Moment:
    scale = min(1.0, limits.side_px / max(frame.width, frame.height))
    width, height = max(16, round(frame.width * scale)), max(16, round(frame.height * scale))
    small = frame.reformat(width=width, height=height, format="rgb24")
    return Moment(t_ms=max(0, round((frame.time or 0.0) * 1000)), picture=np.asarray(small.to_ndarray(), np.uint8))


def _merged(one: list[Moment], other: list[Moment]) -> list[Moment]:
    by_time = {moment.t_ms: moment for moment in (*one, *other)}
    return [by_time[t_ms] for t_ms in sorted(by_time)]


def spread(moments: list[Moment], count: int) -> tuple[Moment, ...]:
    """`count` of the moments that differ most from each other in what they show, in order of time.

    Farthest-point sampling on 8 x 8 thumbnails: five seconds of one shot are one frame, not five.
    """
    if len(moments) <= count:
        return tuple(moments)
    thumbs = np.stack([_thumb(moment.picture) for moment in moments])
    chosen = [len(moments) // 2]
    nearest = np.abs(thumbs - thumbs[chosen[0]]).mean(axis=1)
    while len(chosen) < count:
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, np.abs(thumbs - thumbs[chosen[-1]]).mean(axis=1))
    return tuple(moments[place] for place in sorted(set(chosen)))


def _thumb(picture: Picture) -> np.ndarray:
    rows = np.array_split(np.arange(picture.shape[0]), 8)
    columns = np.array_split(np.arange(picture.shape[1]), 8)
    grey = picture.mean(axis=2)
    return np.array([[grey[np.ix_(row, column)].mean() for column in columns] for row in rows]).ravel()
