"""Names that nobody wrote into the catalog: what people make of a title's name."""

import pytest

from services.matcher.text.aliases import names_of
from services.matcher.text.titles import MediaType, Name, NameKind, TitleNames


def derived(
    text: str, popularity: float = 5.0, *, media_type: MediaType = MediaType.MOVIE, year: int = 0
) -> dict[str, NameKind]:
    names = (Name(text=text),)
    title = TitleNames(title_id="x", media_type=media_type, names=names, year=year, popularity=popularity)
    return {name.casefold(): kind for name, kind in names_of(title)}


@pytest.mark.parametrize(
    ("title", "written", "kind"),
    [
        ("Dune: Part Two", "dune 2", NameKind.SEQUEL),
        ("The Matrix", "matrix", NameKind.HEADLESS),
        ("Top Gun: Maverick", "top gun", NameKind.PREFIX),
        ("Star Wars: Episode VII - The Force Awakens", "star wars 7", NameKind.SEQUEL),
        ("Star Wars: Episode VII - The Force Awakens", "star wars episode vii", NameKind.SEQUEL),
        ("Star Wars: Episode I - The Phantom Menace", "the phantom menace", NameKind.SUBTITLE),
        ("Law & Order: Special Victims Unit", "law & order svu", NameKind.ACRONYM),
        ("Keeping Up with the Kardashians", "kuwtk", NameKind.ACRONYM),
        ("The Harbour Saga: Breaking Ice - Part 1", "breaking ice", NameKind.SUBTITLE),
        ("Ford v Ferrari", "ford vs ferrari", NameKind.ALTERNATIVE),
    ],
)
def test_people_call_it(title: str, written: str, kind: NameKind) -> None:
    assert derived(title)[written] == kind


def test_what_hardly_anyone_knows_has_no_initials() -> None:
    assert "law & order svu" not in derived("Law & Order: Special Victims Unit", popularity=2.0)


def test_fans_know_it_by_names_of_their_own() -> None:
    series = derived("Jujutsu Kaisen", media_type=MediaType.TV, year=2020)
    assert series["jjk"] == NameKind.ABBREVIATION


@pytest.mark.parametrize(("media_type", "year"), [(MediaType.MOVIE, 2020), (MediaType.TV, 1995)])
def test_another_title_of_that_name_does_not_inherit_them(media_type: MediaType, year: int) -> None:
    assert "jjk" not in derived("Jujutsu Kaisen", media_type=media_type, year=year)
