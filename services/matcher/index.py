"""The index in use: names, title cards and reference images of one catalog revision, swapped as a whole."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import orjson

from chassis.clock import Clock
from services.matcher.domain import UNKNOWN_TITLE, TitleCard, TitleState
from services.matcher.errors import IndexLoading
from services.matcher.registry import Entry
from services.matcher.text.index import TextIndex
from services.matcher.text.matches import TextMatch
from services.matcher.text.posts import Post
from services.matcher.text.titles import NameKind
from services.matcher.titles import CatalogTitle, ReferenceBank
from services.matcher.visual.engine import VisualEngine
from services.matcher.visual.sound import SoundIndex, Soundtrack

NAMES_FILE = "names.index"
CARDS_FILE = "cards.jsonl"
CARDS_PER_LINE = 2_000
FORMAT = 2


class TextEngine(Protocol):
    """Matches the words of posts; made for one text index."""

    @property
    def model_version(self) -> str: ...

    def match_batch(self, posts: Sequence[Post]) -> Sequence[Sequence[TextMatch]]: ...


EngineOf = Callable[[TextIndex], TextEngine]


@dataclass(frozen=True, slots=True)
class Names:
    """The searchable names of one revision."""

    text: TextIndex
    engine: TextEngine
    revision: int


@dataclass(slots=True)
class LiveIndex:
    """What is searched now. Readers take `names` once a batch; writers replace it, never change it."""

    clock: Clock
    engine_of: EngineOf
    text_class: type[TextIndex] = TextIndex
    visual: VisualEngine = field(default_factory=VisualEngine)
    cards: dict[str, TitleCard] = field(default_factory=dict)
    references: dict[str, frozenset[str]] = field(default_factory=dict)  # ids held, by title
    sounds: SoundIndex = field(default_factory=lambda: SoundIndex.build(()))
    soundtracks: dict[str, tuple[str, ...]] = field(default_factory=dict)  # songs by title
    registry: dict[str, tuple[Entry, ...]] = field(default_factory=dict)  # what people said of names, by title
    latest_revision: int = 0
    build_time: datetime | None = None
    agreed_at: float = 0.0  # monotonic; when the index last agreed with the catalog
    overlay_size: int = 0  # titles changed since the index was built anew
    _names: Names | None = None

    @property
    def is_ready(self) -> bool:
        return self._names is not None

    @property
    def names(self) -> Names:
        if self._names is None:
            raise IndexLoading(retry_after_s=1.0)
        return self._names

    async def check_ready(self) -> None:
        """The health check: raises until there is an index."""
        if self._names is None:
            raise IndexLoading

    @property
    def revision(self) -> int:
        return self._names.revision if self._names else 0

    @property
    def alias_count(self) -> int:
        return len(self._names.text.base.alias_key) if self._names else 0

    @property
    def lag_s(self) -> float:
        behind = self.latest_revision > self.revision
        return self.clock.monotonic() - self.agreed_at if behind and self.agreed_at else 0.0

    def card_of(self, title_id: str) -> TitleCard:
        return self.cards.get(title_id, UNKNOWN_TITLE)

    def swap(self, text: TextIndex, revision: int) -> None:
        """Puts another index into use; calls under way finish on the one they took."""
        self._names = Names(text, self.engine_of(text), revision)
        self.build_time = self.clock.now()

    def see_latest(self, latest_revision: int) -> None:
        self.latest_revision = max(latest_revision, self.revision)
        if self.revision >= self.latest_revision:
            self.agreed_at = self.clock.monotonic()

    def put_cards(self, titles: Iterable[CatalogTitle]) -> None:
        """Cards decide about anchors at once, whether or not the names are searchable yet."""
        songs = {}
        for title in titles:
            self.cards[title.id] = title.card
            self.put_registry(title.id, title.registry)
            songs[title.id] = songs_of(title) if title.is_matchable else ()
        self.put_songs(songs)

    def put_registry(self, title_id: str, entries: Sequence[Entry]) -> None:
        """What the alias registry says of a title's names; hardly any title has entries."""
        if entries:
            self.registry[title_id] = tuple(entries)
        else:
            self.registry.pop(title_id, None)

    def forget(self) -> None:
        """Drops what is known of titles beside their names, which stay in use until the next swap."""
        self.cards.clear()
        self.registry.clear()
        self.put_songs(dict.fromkeys(self.soundtracks, ()))
        for title_id in list(self.references):
            self.put_bank(ReferenceBank(title_id=title_id, references=()))

    def put_songs(self, songs: Mapping[str, tuple[str, ...]]) -> None:
        """Songs by title; few titles have any, so that the index of sounds is made anew at each change."""
        if all(self.soundtracks.get(title_id, ()) == names for title_id, names in songs.items()):
            return
        merged = {**self.soundtracks, **songs}
        self.soundtracks = {title_id: names for title_id, names in merged.items() if names}
        self.sounds = SoundIndex.build(
            Soundtrack(title_id=title_id, name=name) for title_id, names in self.soundtracks.items() for name in names
        )

    def put_bank(self, bank: ReferenceBank) -> None:
        """Replaces the reference images of one title."""
        held = self.references.get(bank.title_id, frozenset())
        now = frozenset(each.id for each in bank.references)
        self.visual.update(
            added=bank.references,
            removed_ids=held - now,
            bank_states={bank.title_id: bank.is_enabled},
        )
        self.references[bank.title_id] = now


def songs_of(title: CatalogTitle) -> tuple[str, ...]:
    return tuple(name.text for name in title.names.names if name.kind is NameKind.SOUNDTRACK)


def changed(text: TextIndex, titles: Iterable[CatalogTitle]) -> TextIndex:
    """The index after these titles changed; of one that comes twice the later counts."""
    latest = {title.id: title for title in titles}
    return text.with_changes(
        [title.names for title in latest.values() if title.is_matchable],
        [title.id for title in latest.values() if not title.is_matchable],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What one index is saved as and loaded from."""

    text: TextIndex
    revision: int
    cards: Mapping[str, TitleCard]
    soundtracks: Mapping[str, tuple[str, ...]]


def save(saved: Saved, folder: Path) -> None:
    """Writes both files so that a crash leaves the old pair or the new one, never half.

    Cards are written a few at a time: all 418,173 at once would hold the interpreter, and every call, for a second.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names_file = f"{saved.revision}.{NAMES_FILE}"
    saved.text.save(folder / names_file)
    rows = [(title_id, *_card_row(card)) for title_id, card in list(saved.cards.items())]
    header = {
        "format": FORMAT,
        "revision": saved.revision,
        "cards": len(rows),
        "soundtracks": dict(saved.soundtracks),
    }
    draft = folder / f"{saved.revision}.{CARDS_FILE}.draft"
    with draft.open("wb") as lines:
        lines.write(orjson.dumps(header) + b"\n")
        for at in range(0, len(rows), CARDS_PER_LINE):
            lines.write(orjson.dumps(rows[at : at + CARDS_PER_LINE]) + b"\n")
    draft.replace(folder / CARDS_FILE)
    for old in folder.glob(f"*.{NAMES_FILE}"):
        if old.name != names_file:
            old.unlink(missing_ok=True)


def _card_row(card: TitleCard) -> tuple[str, int, str, str, float]:
    return card.name, int(card.state), card.media_type, card.studio_id, card.embargo_lift_s


def load(folder: Path, text_class: type[TextIndex]) -> Saved | None:
    """The saved index, or None when there is none that this code can read."""
    try:
        with (folder / CARDS_FILE).open("rb") as lines:
            header = orjson.loads(next(lines, b""))
            if header["format"] != FORMAT:
                return None
            cards = {title_id: TitleCard(row[0], TitleState(row[1]), *row[2:]) for title_id, *row in _rows(lines)}
        if len(cards) != header["cards"]:
            return None
        revision = int(header["revision"])
        return Saved(
            text=text_class.load(folder / f"{revision}.{NAMES_FILE}"),
            revision=revision,
            cards=cards,
            soundtracks={title_id: tuple(songs) for title_id, songs in header["soundtracks"].items()},
        )
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _rows(lines: Iterable[bytes]) -> Iterator[list[Any]]:
    for line in lines:
        yield from orjson.loads(line)
