"""Evidence as people read it: marked in the texts it stands in, paired with the images it resembles. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

TEXT_FIELDS = (
    ("video_description", "Caption"),
    ("hashtag_names", "Hashtags"),
    ("ocr_text", "On screen"),
    ("voice_to_text", "Spoken"),
    ("video_mention_list", "Mentions"),
)


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
    for field, name in TEXT_FIELDS:
        value = video.get(field) or []
        texts = [value] if isinstance(value, str) else list(value)
        entries = [marked_text(text, _marks(evidence, field, index)) for index, text in enumerate(texts) if text]
        if entries:
            found.append({"field": field, "name": name, "entries": entries})
    sound = video.get("sound") or {}
    heard = " · ".join(part for part in (sound.get("title", ""), sound.get("author", "")) if part)
    if heard:
        found.append({"field": "sound", "name": "Sound", "entries": [escape(heard)]})
    return found


def _marks(evidence: Sequence[Mapping[str, Any]], field: str, index: int) -> list[Marked]:
    return [
        Marked(
            start=each["span"]["start"],
            end=each["span"]["end"],
            contribution=each["contribution"],
            name=each.get("signal_type", "signal"),
        )
        for each in evidence
        if "span" in each and each["span"]["field"] == field and each["span"]["index"] == index
    ]


def visual_pairs(
    evidence: Sequence[Mapping[str, Any]], references: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Each frame that resembles a reference image, beside that image."""
    by_id = {image["id"]: image for image in references}
    return [
        {
            "at_ms": each.get("segment", {}).get("start_ms", 0),
            "distance": each["distance"],
            "contribution": each["contribution"],
            "reference_id": each["reference_id"],
            "reference": by_id.get(each["reference_id"]),
        }
        for each in evidence
        if each.get("signal_type") == "visual"
    ]


def by_strength(evidence: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Evidence, the most telling first."""
    return sorted(evidence, key=lambda each: -abs(each["contribution"]))
