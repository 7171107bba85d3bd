"""Who may take part and which videos count: a tuple of small rules, each giving a reason with its gap. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.incentives.domain import Creator, EligibilityRules, RequiredMatch, Terms
from services.incentives.participation import MatchState, Reason, Review, Video, VideoMatch

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """A creator at the door of a campaign."""

    terms: Terms
    creator: Creator
    now: datetime

    @property
    def rules(self) -> EligibilityRules:
        return self.terms.rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A video at the door of a campaign."""

    terms: Terms
    creator: Creator
    video: Video
    match: VideoMatch | None
    review: Review | None

    @property
    def rules(self) -> EligibilityRules:
        return self.terms.rules


def creator_reasons(entrant: Entrant) -> tuple[Reason, ...]:
    """Why the creator may not join; empty when they may."""
    return tuple(reason for rule in CREATOR_RULES for reason in rule(entrant))


def video_reasons(entry: Entry) -> tuple[Reason, ...]:
    """Why the video does not count; empty when it does."""
    return tuple(reason for rule in VIDEO_RULES for reason in rule(entry))


def match_in(terms: Terms, video: Video) -> VideoMatch | None:
    """The video's match with a title of the campaign: the best there is."""
    found = [match for match in video.matches if match.title_id in terms.title_ids]
    return min(found, key=lambda match: (_STANDING[match.state], match.title_id), default=None)


_STANDING = {
    MatchState.APPROVED: 0,
    MatchState.IN_REVIEW: 1,
    MatchState.REJECTED: 2,
    MatchState.WITHDRAWN: 3,
}


def unknown_video() -> Reason:
    return Reason(
        code="VIDEO_UNKNOWN", description="This video has not been matched yet; it counts by itself once it is."
    )


def _followers(entrant: Entrant) -> Iterator[Reason]:
    least, most = entrant.rules.follower_count_min, entrant.rules.follower_count_max
    count = entrant.creator.follower_count
    if count is None and (least or most):
        yield _unknown("follower count")
    elif count is not None and count < least:
        yield Reason(
            code="FOLLOWERS_TOO_FEW",
            value=str(count),
            threshold=str(least),
            gap=float(least - count),
            description=f"{least - count:,} more followers are needed.",
        )
    elif count is not None and most and count > most:
        yield Reason(
            code="FOLLOWERS_TOO_MANY",
            value=str(count),
            threshold=str(most),
            gap=float(count - most),
            description=f"This campaign is for creators with at most {most:,} followers.",
        )


def _account_age(entrant: Entrant) -> Iterator[Reason]:
    least = entrant.rules.account_age_min_days
    made = entrant.creator.account_create_time
    if not least:
        return
    if made is None:
        yield _unknown("account age")
        return
    days = (entrant.now - made) // DAY
    if days < least:
        yield Reason(
            code="ACCOUNT_TOO_YOUNG",
            value=str(days),
            threshold=str(least),
            gap=float(least - days),
            description=f"The account must be {least - days:,} days older.",
        )


def _region(entrant: Entrant) -> Iterator[Reason]:
    wanted = entrant.rules.region_codes or entrant.terms.region_codes
    region = entrant.creator.region_code
    if not wanted:
        return
    if not region:
        yield _unknown("region")
    elif region not in wanted:
        yield Reason(
            code="REGION_NOT_INCLUDED",
            value=region,
            threshold=",".join(wanted),
            description=f"The campaign does not run in {region}.",
        )


def _strikes(door: Entrant | Entry) -> Iterator[Reason]:
    most = door.rules.strike_score_max
    score = door.creator.strike_score
    if most is not None and score is not None and score > most:
        yield Reason(
            code="STRIKES_TOO_MANY",
            value=f"{score:g}",
            threshold=f"{most:g}",
            gap=score - most,
            description="The account has too many policy strikes at the moment.",
        )


def _unknown(what: str) -> Reason:
    return Reason(
        code="CREATOR_UNKNOWN",
        value="unknown",
        threshold=what,
        description=f"The creator's {what} is not known yet: it arrives with the first video or from the platform.",
    )


def _match(entry: Entry) -> Iterator[Reason]:
    if entry.match is None:
        yield Reason(
            code="TITLE_NOT_INCLUDED",
            threshold=",".join(entry.terms.title_ids[:5]),
            description="The video is not about a title of this campaign, as far as is known.",
        )
        return
    states = {MatchState.APPROVED}
    if entry.rules.required_match is RequiredMatch.APPROVED_OR_IN_REVIEW:
        states.add(MatchState.IN_REVIEW)
    if entry.match.state not in states:
        waits = entry.match.state is MatchState.IN_REVIEW
        yield Reason(
            code="MATCH_NOT_APPROVED",
            value=entry.match.state.value,
            threshold=entry.rules.required_match.value,
            description="A reviewer still looks at this video."
            if waits
            else "The video was found not to be about the title; an appeal may change that.",
        )


def _window(entry: Entry) -> Iterator[Reason]:
    start, end, made = entry.terms.start_time, entry.terms.end_time, entry.video.create_time
    if (start is not None and made < start) or (end is not None and made >= end):
        yield Reason(
            code="CREATED_OUTSIDE_WINDOW",
            value=made.isoformat(),
            threshold=f"{start.isoformat() if start else ''}/{end.isoformat() if end else ''}",
            description="Only videos made while the campaign runs count.",
        )


def _views(entry: Entry) -> Iterator[Reason]:
    least, count = entry.rules.view_count_min, entry.video.view_count
    if count < least:
        yield Reason(
            code="VIEWS_TOO_FEW",
            value=str(count),
            threshold=str(least),
            gap=float(least - count),
            description=f"{least - count:,} more views and it counts.",
        )


def _duration(entry: Entry) -> Iterator[Reason]:
    seconds, least, most = entry.video.duration_s, entry.rules.duration_min_s, entry.rules.duration_max_s
    if seconds < least:
        yield Reason(
            code="DURATION_TOO_SHORT",
            value=f"{seconds:g}",
            threshold=str(least),
            gap=least - seconds,
            description=f"Videos must be at least {least} seconds long.",
        )
    elif most and seconds > most:
        yield Reason(
            code="DURATION_TOO_LONG",
            value=f"{seconds:g}",
            threshold=str(most),
            gap=seconds - most,
            description=f"Videos must be at most {most} seconds long.",
        )


def _hashtags(entry: Entry) -> Iterator[Reason]:
    worn = {name.casefold() for name in entry.video.hashtag_names}
    missing = [name for name in entry.rules.all_hashtag_names if name.casefold() not in worn]
    choice = entry.rules.any_hashtag_names
    if choice and not any(name.casefold() in worn for name in choice):
        missing.append(" or #".join(choice))
    if missing:
        yield Reason(
            code="HASHTAGS_MISSING",
            value=",".join(sorted(worn)[:10]),
            threshold=",".join((*entry.rules.all_hashtag_names, *choice)),
            gap=float(len(missing)),
            description=f"The video must carry #{', #'.join(missing)}.",
        )


def _kids(entry: Entry) -> Iterator[Reason]:
    if entry.video.made_for_kids and not entry.rules.made_for_kids_allowed:
        yield Reason(
            code="MADE_FOR_KIDS", value="true", threshold="false", description="Videos made for kids do not count."
        )


def _review(entry: Entry) -> Iterator[Reason]:
    if entry.review is Review.REJECT:
        yield Reason(
            code="REVIEW_REJECTED", value="reject", threshold="accept", description="The studio turned it down."
        )
    elif entry.terms.submission_review_required and entry.review is None:
        yield Reason(code="REVIEW_PENDING", threshold="accept", description="The studio has not looked at it yet.")


CREATOR_RULES: tuple[Callable[[Entrant], Iterator[Reason]], ...] = (_followers, _account_age, _region, _strikes)
# Standing is looked at again with every video; followers, age and region only at the door.
VIDEO_RULES: tuple[Callable[[Entry], Iterator[Reason]], ...] = (
    _match,
    _window,
    _views,
    _duration,
    _hashtags,
    _kids,
    _strikes,
    _review,
)
