"""The catalog's titles, changes and reference images, as the index takes them."""

import math
from collections.abc import Iterable, Mapping, Sequence

from protos.catalog.v1 import catalog_pb2 as pb
from services.matcher.domain import TitleCard, TitleState
from services.matcher.registry import Ambiguity, Entry
from services.matcher.text.titles import AliasPrior, MediaType, Name, NameKind, Person, TitleNames
from services.matcher.titles import CatalogChange, CatalogTitle, ReferenceBank
from services.matcher.visual.signals import (
    Fingerprint,
    Reference,
    ReferenceKind,
    embedding_from_values,
    pdq_from_hex,
)
from services.matcher.wire.times import seconds_of

MEDIA_TYPES = {
    pb.MEDIA_TYPE_MOVIE: MediaType.MOVIE,
    pb.MEDIA_TYPE_TV: MediaType.TV,
    pb.MEDIA_TYPE_SEASON: MediaType.SEASON,
    pb.MEDIA_TYPE_EPISODE: MediaType.EPISODE,
    pb.MEDIA_TYPE_EVENT: MediaType.EVENT,
}
NAME_KINDS = {
    pb.ALIAS_KIND_TITLE: NameKind.TITLE,
    pb.ALIAS_KIND_ORIGINAL: NameKind.ORIGINAL,
    pb.ALIAS_KIND_ALTERNATIVE: NameKind.ALTERNATIVE,
    pb.ALIAS_KIND_FRANCHISE: NameKind.FRANCHISE,
    pb.ALIAS_KIND_HASHTAG: NameKind.HASHTAG,
    pb.ALIAS_KIND_SOUNDTRACK: NameKind.SOUNDTRACK,
    pb.ALIAS_KIND_ABBREVIATION: NameKind.ABBREVIATION,
}
AMBIGUITIES = {
    pb.AMBIGUITY_CLASS_UNSPECIFIED: Ambiguity.UNKNOWN,
    pb.AMBIGUITY_CLASS_UNIQUE: Ambiguity.UNIQUE,
    pb.AMBIGUITY_CLASS_HOMONYM: Ambiguity.HOMONYM,
    pb.AMBIGUITY_CLASS_COMMON_WORD: Ambiguity.COMMON_WORD,
}
REFERENCE_KINDS = {
    pb.REFERENCE_IMAGE_KIND_POSTER: ReferenceKind.POSTER,
    pb.REFERENCE_IMAGE_KIND_STILL: ReferenceKind.STILL,
    pb.REFERENCE_IMAGE_KIND_TITLE_CARD: ReferenceKind.TITLE_CARD,
}
# Fields of a title that names or their weight come from; a change of others touches no match.
NAMING = frozenset(
    {
        "title", "original_title", "alternative_titles", "translations", "hashtags", "belongs_to_collection",
        "year", "release_date", "credits", "characters", "media_type", "official_accounts",
    }
)  # fmt: skip
STANDING = frozenset({"state", "embargo_lift_time"})
APPEARING = frozenset({pb.CHANGE_TYPE_CREATED, pb.CHANGE_TYPE_DELETED, pb.CHANGE_TYPE_UNDELETED})
CAST_MAX = 40
CREW_JOBS = frozenset({"Director", "Creator", "Writer", "Screenplay"})


def title_of(message: pb.Title, aliases: Sequence[pb.Alias] = ()) -> CatalogTitle:
    return CatalogTitle(names=_names(message, aliases), card=_card(message), registry=entries_of(aliases))


def titles_of(messages: Iterable[pb.Title], aliases: Mapping[str, Sequence[pb.Alias]]) -> list[CatalogTitle]:
    return [title_of(message, aliases.get(message.id, ())) for message in messages]


def entries_of(aliases: Iterable[pb.Alias]) -> tuple[Entry, ...]:
    return tuple(
        Entry(
            name=alias.name,
            prior=alias.prior,
            ambiguity=AMBIGUITIES[alias.ambiguity_class],
            derived_prior=alias.derived_prior,
            derived_ambiguity=AMBIGUITIES[alias.derived_class],
        )
        for alias in aliases
    )


def change_of(message: pb.Change, aliases: Sequence[pb.Alias] = ()) -> CatalogChange:
    paths = {change.path.partition(".")[0].partition("[")[0] for change in message.field_changes}
    appears = message.change_type in APPEARING
    return CatalogChange(
        revision=message.revision,
        title=title_of(message.title, aliases),
        touches_names=appears or bool(paths & NAMING),
        touches_state=message.change_type != pb.CHANGE_TYPE_CREATED and (appears or bool(paths & STANDING)),
        touches_aliases=message.change_type == pb.CHANGE_TYPE_ALIASES,
        touches_references=message.change_type == pb.CHANGE_TYPE_REFERENCE_IMAGES,
    )


def bank_of(title_id: str, images: Iterable[pb.ReferenceImage], state: "pb.ReferenceState.ValueType") -> ReferenceBank:
    """A bank without those images whose fingerprints cannot be used; catalog has checked their form."""
    return ReferenceBank(
        title_id=title_id,
        references=tuple(_reference(image) for image in images if image.pdq or image.embeddings),
        is_enabled=state != pb.REFERENCE_STATE_DISABLED,
    )


def _card(message: pb.Title) -> TitleCard:
    lifts = message.HasField("embargo_lift_time")
    return TitleCard(
        message.title,
        TitleState(message.state or pb.TITLE_STATE_ACTIVE),
        pb.MediaType.Name(message.media_type).removeprefix("MEDIA_TYPE_").lower(),
        message.studio_id,
        seconds_of(message.embargo_lift_time, "embargo_lift_time") if lifts else 0.0,
    )


def _names(message: pb.Title, aliases: Sequence[pb.Alias]) -> TitleNames:
    return TitleNames(
        title_id=message.id,
        media_type=MEDIA_TYPES.get(message.media_type, MediaType.MOVIE),
        names=tuple(_own_names(message, aliases)),
        year=message.year,
        release_date=message.release_date,
        popularity=_log_popularity(message),
        cast=_cast(message),
        crew=tuple(member.name for member in message.credits.crew if member.job in CREW_JOBS),
        hashtags=tuple(tag.name for tag in message.hashtags),
        franchise=message.belongs_to_collection.name.removesuffix(" Collection"),
        genres=tuple(message.genres),
        keywords=tuple(message.keywords),
        overview=message.overview,
        language=message.original_language,
        alias_priors=tuple(AliasPrior(name=alias.name, prior=alias.prior, pinned=alias.pinned) for alias in aliases),
    )


def _log_popularity(message: pb.Title) -> float:
    """To base 10, as the model learnt it; votes stand in where popularity is not known."""
    return math.log10(max(1.0, message.popularity or message.vote_count))


def _own_names(message: pb.Title, aliases: Sequence[pb.Alias]) -> Iterable[Name]:
    yield Name(text=message.title, kind=NameKind.TITLE)
    if message.original_title:
        yield Name(text=message.original_title, kind=NameKind.ORIGINAL, language=message.original_language)
    for other in message.alternative_titles:
        yield Name(text=other.title, kind=NameKind.ALTERNATIVE, language=other.iso_639_1)
    for translation in message.translations:
        if translation.title:
            yield Name(text=translation.title, kind=NameKind.ALTERNATIVE, language=translation.iso_639_1)
    for alias in aliases:
        kind = NAME_KINDS.get(alias.kind)
        if kind is not None:
            yield Name(text=alias.name, kind=kind)


def _cast(message: pb.Title) -> tuple[Person, ...]:
    credited = [Person(name=each.name, character=each.character) for each in message.credits.cast[:CAST_MAX]]
    known = {person.character for person in credited}
    return (*credited, *(Person(name="", character=name) for name in message.characters if name not in known))


def _reference(image: pb.ReferenceImage) -> Reference:
    hashes = [Fingerprint(pdq=pdq_from_hex(text, at="pdq"), pdq_quality=image.pdq_quality) for text in image.pdq]
    vectors = [
        Fingerprint(embedding=embedding_from_values(each.model, each.dim, tuple(each.values), at="embeddings"))
        for each in image.embeddings
        if any(each.values)
    ]
    return Reference(
        id=image.id,
        title_id=image.title_id,
        kind=REFERENCE_KINDS.get(image.kind, ReferenceKind.STILL),
        fingerprints=(*hashes, *vectors),
        enabled=image.state != pb.REFERENCE_STATE_DISABLED,
    )
