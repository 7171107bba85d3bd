"""Videos: from the wire to the domain, to the bytes they are kept as, and back."""

import hashlib
from collections.abc import Iterable
from typing import Literal

import numpy as np

from protos.matcher.v1 import matcher_pb2 as pb
from services.matcher.domain import (
    AccountType,
    Creator,
    FrameHash,
    FrameSignal,
    FrameVector,
    Likeness,
    Standing,
    StoredVideo,
    Video,
)
from services.matcher.wire.times import seconds_of

DIGEST_BYTES = 16
ACCOUNT_TYPES: dict[int, AccountType] = {each.value: each for each in AccountType}
MADE: tuple[Literal["screen_text", "made_frames", "likenesses"], ...] = ("screen_text", "made_frames", "likenesses")
PIXELS = frozenset(("images", "video"))
SEEN = frozenset(("frame_hashes", "embeddings", "frames", *MADE))


def videos_of(messages: Iterable[pb.Video]) -> tuple[Video, ...]:
    return tuple(video_of(message, at=f"videos[{number}].") for number, message in enumerate(messages))


def video_of(message: pb.Video, *, at: str = "video.") -> Video:
    """The video as sent; pixels are parted from what is kept, and both are fingerprinted."""
    given = _given(message)
    if not given.isdisjoint(MADE):  # ours to say, ignored when sent
        sent = pb.Video()
        sent.CopyFrom(message)
        message = _without_made(sent)
    whole = message.SerializeToString(deterministic=True)
    digest = hashlib.blake2b(whole, digest_size=DIGEST_BYTES).digest()
    if given.isdisjoint(PIXELS):
        return _video(message, given, whole, digest, at)
    kept = pb.Video()
    kept.CopyFrom(message)
    kept.ClearField("images")
    kept.ClearField("video")
    video = _video(kept, given, kept.SerializeToString(), digest, at)
    return video._replace(images=tuple(message.images), clip=message.video)


def kept_video_of(body: bytes, digest: bytes = b"") -> Video:
    """The video as it was kept."""
    message = pb.Video.FromString(body)
    return _video(message, _given(message), body, digest, "video.")


def with_made(video: Video) -> Video:
    """The video kept together with all that was made of its pixels."""
    message = _without_made(pb.Video.FromString(video.body))
    message.screen_text.extend(video.screen_text)
    message.made_frames.extend(map(_frame_message, video.made))
    message.likenesses.extend(
        pb.Likeness(reference_id=each.reference_id, inlier_count=each.inlier_count) for each in video.likenesses
    )
    return video._replace(body=message.SerializeToString())


def _given(message: pb.Video) -> set[str]:
    """The fields that say something: asking an empty list of a message costs as much as ten numbers of it."""
    return {field.name for field, _ in message.ListFields()}


def _without_made(message: pb.Video) -> pb.Video:
    for name in MADE:
        message.ClearField(name)
    return message


def video_message(video: StoredVideo) -> pb.Video:
    """A kept video with its latest numbers, without frames."""
    message = pb.Video.FromString(video.body)
    message.ClearField("frame_hashes")
    message.ClearField("embeddings")
    message.ClearField("frames")
    message.ClearField("made_frames")
    message.ClearField("likenesses")
    _put_standing(message, video.standing)
    message.id = video.id
    return message


def _video(message: pb.Video, given: set[str], body: bytes, digest: bytes, at: str) -> Video:
    has_sound = "sound" in given
    video = Video(
        id=message.id,
        body=body,
        digest=digest,
        creator=_creator(message.creator, at) if "creator" in given else None,
        create_time=message.create_time,
        region_code=message.region_code,
        video_description=message.video_description,
        duration=message.duration,
        hashtag_names=tuple(message.hashtag_names),
        video_mention_list=tuple(message.video_mention_list),
        music_id=message.music_id,
        sound_title=message.sound.title if has_sound else "",
        sound_author=message.sound.author if has_sound else "",
        effect_ids=tuple(message.effect_ids) if "effect_ids" in given else (),
        voice_to_text=message.voice_to_text,
        ocr_text=tuple(message.ocr_text) if "ocr_text" in given else (),
        view_count=message.view_count,
        like_count=message.like_count,
        comment_count=message.comment_count,
        share_count=message.share_count,
        video_label=message.video_label,
        is_aigc=message.is_aigc,
        made_for_kids=message.made_for_kids,
        content_claimed=message.content_claimed,
        language=message.language,
    )
    return video if given.isdisjoint(SEEN) else _with_frames(video, message)


def _with_frames(video: Video, message: pb.Video) -> Video:
    return video._replace(
        frame_hashes=tuple(map(_frame_hash, message.frame_hashes)),
        vectors=tuple(map(_vector, message.embeddings)),
        frames=tuple(map(_frame, message.frames)),
        made=tuple(map(_frame, message.made_frames)),
        screen_text=tuple(message.screen_text),
        likenesses=tuple(map(_likeness, message.likenesses)),
    )


def _creator(message: pb.Creator, at: str) -> Creator:
    strikes_s = seconds_of(message.strike_time, f"{at}creator.strike_time") if message.HasField("strike_time") else 0.0
    return Creator(
        id=message.id,
        username=message.username,
        follower_count=message.follower_count,
        is_verified=message.is_verified,
        region_code=message.region_code,
        strike_score=message.strike_score,
        account_type=ACCOUNT_TYPES[message.account_type],
        strike_time_s=strikes_s,
    )


def _frame_hash(message: pb.FrameHash) -> FrameHash:
    return FrameHash(signal_type=message.signal_type, signal=message.signal, time_offset_ms=message.time_offset_ms)


def _vector(message: pb.Embedding) -> FrameVector:
    return FrameVector(
        model=message.model,
        values=np.array(message.values, dtype="<f4").tobytes(),
        dtype=message.dtype,
        t_ms=message.t_ms,
    )


def _frame(message: pb.FrameSignal) -> FrameSignal:
    return FrameSignal(
        t_ms=message.t_ms,
        pdq=message.pdq,
        pdq_quality=message.pdq_quality,
        vectors=tuple(map(_vector, message.embeddings)),
        labels=tuple(message.labels),
        mirrored=message.mirrored,
        region=message.region,
    )


def _frame_message(frame: FrameSignal) -> pb.FrameSignal:
    return pb.FrameSignal(
        t_ms=frame.t_ms,
        pdq=frame.pdq,
        pdq_quality=frame.pdq_quality,
        embeddings=map(_vector_message, frame.vectors),
        labels=frame.labels,
        mirrored=frame.mirrored,
        region=frame.region,
    )


def _vector_message(vector: FrameVector) -> pb.Embedding:
    values = np.frombuffer(vector.values, dtype="<f4")
    return pb.Embedding(
        model=vector.model, dim=values.size, dtype=vector.dtype, values=values.tolist(), t_ms=vector.t_ms
    )


def _likeness(message: pb.Likeness) -> Likeness:
    return Likeness(reference_id=message.reference_id, inlier_count=message.inlier_count)


def _put_standing(message: pb.Video, standing: Standing) -> None:
    message.view_count = standing.view_count
    message.like_count = standing.like_count
    message.comment_count = standing.comment_count
    message.share_count = standing.share_count
    if message.HasField("creator"):
        message.creator.follower_count = standing.follower_count
        message.creator.strike_score = standing.strike_score
