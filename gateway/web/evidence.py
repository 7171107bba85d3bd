"""Evidence as people read it: marked in the texts it stands in, paired with the images it resembles. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup, escape

TEXT_FIELDS = (
    ("video_description", "Caption"),
    ("hashtag_names", "Hashtags"),
    ("ocr_text", "On screen"),
    ("voice_to_text", "Spoken"),
    ("video_mention_list", "Mentions"),
)
GEOMETRY = "geometry"
# What the matcher calls a group of its features, for people. Anything else is the words that were seen.
FACTORS: Mapping[str, str] = {
    "bias": "before anything is read",
    "popularity": "how well known the title is",
    "homonyms": "other titles of this name",
    "rivals": "longer or likelier names beside it",
    "form": "how it is written",
    "tag": "as a tag or a mention",  # this and the next are no factors any more, but stored matches name them
    "place": "where it stands",
    "context": "the words around it",
    "year": "a year that fits or does not",
    "people": "people of the title",
    "name": "the name itself",
    "calibration": "what such scores turned out to mean",
    "fusion prior": "words and pictures together",
    "fusion conflict": "pictures and words disagree",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """One stretch of a text and how strongly it speaks."""

    start: int
    end: int
    contribution: float
    name: str


def marked_text(text: str, marks: Iterable[Marked]) -> Markup:
    """A text with its evidence marked; where marks overlap the stronger one wins."""
    chosen: list[Marked] = []
    for mark in sorted(marks, key=lambda mark: -abs(mark.contribution)):
        inside = 0 <= mark.start < mark.end <= len(text)
        if inside and all(mark.end <= other.start or other.end <= mark.start for other in chosen):
            chosen.append(mark)
    pieces: list[Markup] = []
    position = 0
    for mark in sorted(chosen, key=lambda mark: mark.start):
        pieces.append(escape(text[position : mark.start]))
        against = Markup(' class="against"') if mark.contribution < 0 else Markup()
        title = f"{mark.name}, {mark.contribution:+.2f}"
        pieces.append(Markup('<mark{} title="{}">{}</mark>').format(against, title, text[mark.start : mark.end]))
        position = mark.end
    pieces.append(escape(text[position:]))
    return Markup().join(pieces)


def texts_of(video: Mapping[str, Any], evidence: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every text of a video, with its evidence marked; texts that are empty are left out."""
    found = []
    for source, name in TEXT_FIELDS:
        value = video.get(source) or []
        texts = [value] if isinstance(value, str) else list(value)
        if source == "ocr_text":
            texts += video.get("screen_text") or []  # what the matcher read itself counts on from what was sent
        entries = [marked_text(text, _marks(evidence, source, index)) for index, text in enumerate(texts) if text]
        if entries:
            found.append({"field": source, "name": name, "entries": entries})
    sound = video.get("sound") or {}
    heard = " · ".join(part for part in (sound.get("title", ""), sound.get("author", "")) if part)
    if heard:
        found.append({"field": "sound", "name": "Sound", "entries": [escape(heard)]})
    return found


def _marks(evidence: Sequence[Mapping[str, Any]], source: str, index: int) -> list[Marked]:
    return [
        Marked(
            start=each["span"]["start"],
            end=each["span"]["end"],
            contribution=each["contribution"],
            name=each.get("signal_type", "signal"),
        )
        for each in evidence
        if "span" in each and each["span"]["field"] == source and each["span"]["index"] == index
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What there is to see: the title's reference images, their pictures by id, the video's frames by time."""

    references: Sequence[Mapping[str, Any]] = ()
    reference_pictures: Mapping[str, str] = field(default_factory=dict)
    frame_pictures: Mapping[int, str] = field(default_factory=dict)


def visual_pairs(evidence: Sequence[Mapping[str, Any]], shown: Shown) -> list[dict[str, Any]]:
    """Each frame that resembles a reference image, beside that image; a geometric check stands with its pair."""
    by_id = {image["id"]: image for image in shown.references}
    sights = [each for each in evidence if each.get("signal_type") == "visual"]
    checks = {_pair_of(each): each for each in sights if each["value"].startswith(GEOMETRY)}
    return [
        {
            "at_ms": _pair_of(each)[1],
            "seen": each["value"],
            "distance": each["distance"],
            "contribution": each["contribution"],
            "reference_id": each["reference_id"],
            "reference": by_id.get(each["reference_id"]),
            "reference_picture": shown.reference_pictures.get(each["reference_id"], ""),
            "frame_picture": shown.frame_pictures.get(_pair_of(each)[1], ""),
            "details": _details(checks.get(_pair_of(each))),
        }
        for each in sights
        if not each["value"].startswith(GEOMETRY)
    ]


def _pair_of(evidence: Mapping[str, Any]) -> tuple[str, int]:
    return evidence["reference_id"], evidence.get("segment", {}).get("start_ms", 0)


def _details(check: Mapping[str, Any] | None) -> int | None:
    """How many details agreed; the check's distance is one over one more than that."""
    return None if check is None else round(1.0 / check["distance"]) - 1


def jpeg_address(picture: str) -> str:
    """A small JPEG, as the API answers it, as an address the page can carry itself."""
    return f"data:image/jpeg;base64,{picture}"


def by_strength(evidence: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Evidence, the most telling first, in words of people."""
    named = ({**each, "value": FACTORS.get(each.get("value", ""), each.get("value", ""))} for each in evidence)
    return sorted(named, key=lambda each: -abs(each["contribution"]))
