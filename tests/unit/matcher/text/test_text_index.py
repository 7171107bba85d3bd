"""The index: kept in a file, changed without building it anew."""

from pathlib import Path

import pytest

from services.matcher.text.arrayfile import ArrayFileError
from services.matcher.text.engine import TextEngine
from services.matcher.text.index import TextIndex
from services.matcher.text.posts import Post
from services.matcher.text.titles import AliasPrior, MediaType, Name, TitleNames

POSTS = [
    Post(caption=c)
    for c in (
        "Zorblatt season 2 trailer reaction",
        "the matrix movie night",
        "#dunemovie",
        "Breaking Bad finale",
        "nothing",
    )
]


def a_title(title: str = "Zorblatt", title_id: str = "tv:new", **fields: object) -> TitleNames:
    given = {"media_type": MediaType.TV, "names": (Name(text=title),), "popularity": 5.0, **fields}
    return TitleNames(title_id=title_id, **given)  # type: ignore[arg-type]


def answers(index: TextIndex) -> list[dict[str, float]]:
    return [{t: round(p, 5) for t, p in found.items()} for found in TextEngine(index).probabilities(POSTS)]


def test_a_saved_index_answers_as_before(names: TextIndex, tmp_path: Path) -> None:
    names.save(tmp_path / "names.index")
    assert answers(TextIndex.load(tmp_path / "names.index")) == answers(names)


@pytest.mark.parametrize("content", [b"", b"something else", b"SPOTLIGHT-ARRAYS\xff\xff\xff\xff\xff\xff\xff\x7f"])
def test_a_file_that_is_no_index_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "names.index").write_bytes(content)
    with pytest.raises(ArrayFileError):
        TextIndex.load(tmp_path / "names.index")


def test_a_cut_file_is_refused(names: TextIndex, tmp_path: Path) -> None:
    path = tmp_path / "names.index"
    names.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ArrayFileError):
        TextIndex.load(path)


def test_a_new_title_is_found_and_the_old_index_knows_nothing_of_it(names: TextIndex) -> None:
    changed = names.with_changes([a_title()], [])
    assert "tv:new" in answers(changed)[0]
    assert "tv:new" not in answers(names)[0]
    assert answers(changed)[1:] == answers(names)[1:]


def test_a_removed_title_is_found_no_more(names: TextIndex) -> None:
    changed = names.with_changes([], ["tv:breaking-bad"])
    assert "tv:breaking-bad" in answers(names)[3]
    assert "tv:breaking-bad" not in answers(changed)[3]
    assert len(changed) == len(names) - 1


def test_a_renamed_title_answers_to_its_new_name_alone(names: TextIndex) -> None:
    changed = names.with_changes([a_title()], []).with_changes([a_title("Quuxley")], [])
    assert answers(changed)[0] == {}
    assert TextEngine(changed).probabilities([Post(caption="Quuxley season 2 trailer reaction")])[0].keys() == {
        "tv:new"
    }


def test_a_title_that_comes_back_answers_as_at_first(names: TextIndex) -> None:
    with_it = names.with_changes([a_title()], [])
    back = with_it.with_changes([], ["tv:new"]).with_changes([a_title()], [])
    assert answers(back) == answers(with_it)


def test_an_editors_prior_is_kept_per_name(names: TextIndex) -> None:
    changed = names.with_changes([a_title(alias_priors=(AliasPrior(name="Zorblatt", prior=0.9),))], [])
    alias = int(changed.base.aliases().find(changed.base.alias_key[-1:])[0])
    assert changed.base.alias_prior[alias] == round(0.9 * 254)


def test_a_thousand_updates_of_one_title_add_little(names: TextIndex) -> None:
    index = names
    for round_ in range(1_000):
        index = index.with_changes([a_title(year=2000 + round_ % 20)], [])
    grown = sum(getattr(index.base, n).nbytes - getattr(names.base, n).nbytes for n in names.base.__slots__)
    assert grown / 1_000 < 1_000  # bytes an update
