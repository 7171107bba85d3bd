"""The sample data: what is in data/videos, and which of it the printed examples use."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.supervisor import ROOT
from protos.matcher.v1 import matcher_pb2

CATALOG = ROOT / "data" / "catalog"
VIDEOS = ROOT / "data" / "videos"
# The sample catalog's films without a network belong to its own studio (data/catalog/README.md).
STUDIO_ID = "studio:open-catalog"
CREATOR_ID = "creator_003"
# Interstellar: five sample videos are about it.
TITLE_ID = "movie:tt0816692"
ACCOUNT_TYPES: Mapping[str, int] = {
    "personal": matcher_pb2.ACCOUNT_TYPE_PERSONAL,
    "business": matcher_pb2.ACCOUNT_TYPE_BUSINESS,
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What the printed examples ask for."""

    title_id: str
    video_ids: tuple[str, ...]


SHOWN = Shown(TITLE_ID, ("sample_0001", "sample_0002", "sample_0003"))


def catalog_files() -> list[Path]:
    return sorted(path for path in CATALOG.glob("*.jsonl*") if path.is_file())


def digest() -> str:
    """Changes when the sample data does: what was seeded from other data is seeded again."""
    found = hashlib.sha256()
    for path in (*catalog_files(), *sorted(VIDEOS.glob("*.jsonl"))):
        found.update(path.name.encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def creators() -> dict[str, matcher_pb2.Creator]:
    return {line["id"]: _creator(line) for line in _lines(VIDEOS / "creators.jsonl")}


def _creator(line: Mapping[str, Any]) -> matcher_pb2.Creator:
    return matcher_pb2.Creator(
        id=line["id"],
        username=line["username"],
        follower_count=line["follower_count"],
        is_verified=line["is_verified"],
        region_code=line["region_code"],
        strike_score=line["strike_score"],
        account_type=ACCOUNT_TYPES[line["account_type"]],  # type: ignore[arg-type]  # an enum's number
    )


def videos() -> list[matcher_pb2.Video]:
    known = creators()
    return [_video(line["video"], known) for line in _lines(VIDEOS / "videos.jsonl")]


def _video(line: Mapping[str, Any], known: Mapping[str, matcher_pb2.Creator]) -> matcher_pb2.Video:
    sound = line.get("sound")
    return matcher_pb2.Video(
        id=line["id"],
        creator=known[line["creator_id"]],
        create_time=line["create_time"],
        region_code=line["region_code"],
        video_description=line["video_description"],
        duration=line["duration"],
        hashtag_names=line["hashtag_names"],
        music_id=line.get("music_id", ""),
        sound=matcher_pb2.Sound(title=sound["title"], author=sound["author"]) if sound else None,
        voice_to_text=line.get("voice_to_text", ""),
        ocr_text=line.get("ocr_text", ()),
        view_count=line["view_count"],
        like_count=line["like_count"],
        comment_count=line["comment_count"],
        share_count=line["share_count"],
        is_aigc=line.get("is_aigc", False),
        made_for_kids=line.get("made_for_kids", False),
        content_claimed=line.get("content_claimed", False),
        language=line["language"],
    )


def about() -> dict[str, frozenset[str]]:
    """The titles each sample video is about, as its author says."""
    return {line["video"]["id"]: frozenset(line["about"]) for line in _lines(VIDEOS / "videos.jsonl")}


def curls(base_url: str, tokens: Mapping[str, str], shown: Shown = SHOWN) -> Sequence[str]:
    """Three lines that work when pasted: a search, a hub, the anchors of a page of videos."""
    bearer = f'curl -s -H "Authorization: Bearer {tokens["app"]}"'
    body = json.dumps({"video_ids": shown.video_ids, "viewer_region": "US"})
    return (
        f"{bearer} '{base_url}/v1/titles:search?q=interstellar'",
        f"{bearer} '{base_url}/v1/hubs/{shown.title_id}?region=US&language=en'",
        f"{bearer} -H 'Content-Type: application/json' -d '{body}' {base_url}/v1/anchors:batchGet",
    )
