"""Videos as the text engine reads them, and what it found as candidates."""

from collections.abc import Sequence

from services.matcher.domain import Candidate, Evidence, RunnerUp, Span, Video
from services.matcher.text.matches import Evidence as TextEvidence
from services.matcher.text.matches import TextMatch
from services.matcher.text.posts import Field, Post

FIELDS = {
    Field.CAPTION: "video_description",
    Field.HASHTAGS: "hashtag_names",
    Field.MENTIONS: "video_mention_list",
    Field.SPEECH: "voice_to_text",
    Field.OCR: "ocr_text",
}
CANDIDATES_MAX = 20


def post_of(video: Video) -> Post:
    """The words of a video, as the text engine reads them."""
    return Post(
        caption=video.video_description,
        hashtags=video.hashtag_names,
        mentions=video.video_mention_list,
        speech=video.voice_to_text,
        ocr=(*video.ocr_text, *video.screen_text),
        language=video.language,
        create_time=video.create_time,
    )


def ranked(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    ordered = sorted(candidates, key=lambda each: (-each.probability, each.title_id))
    return tuple(ordered[:CANDIDATES_MAX])


def candidate_of(match: TextMatch) -> Candidate:
    return Candidate(
        title_id=match.title_id,
        probability=float(match.probability),
        evidence=tuple(map(_evidence, match.evidence)),
        runner_ups=tuple(
            RunnerUp(
                title_id=other.title_id,
                probability=float(other.probability),
                separated_by=other.separated_by,
            )
            for other in match.runner_ups
        ),
        margin=float(match.margin),
    )


def _evidence(evidence: TextEvidence) -> Evidence:
    signal_type, factor, contribution, value, field, segment, start, end, reference_id = evidence
    span = Span(field=FIELDS[field], index=segment, start=start, end=end) if end > start else None
    return Evidence(signal_type, value or factor, contribution, span, None, reference_id)
