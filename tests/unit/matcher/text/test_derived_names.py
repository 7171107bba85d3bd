"""Names that nobody wrote into the catalog: what people make of a title's name."""

import pytest

from services.matcher.text.aliases import names_of
from services.matcher.text.titles import MediaType, Name, NameKind, TitleNames


def derived(text: str, popularity: float = 5.0) -> dict[str, NameKind]:
    title = TitleNames(title_id="movie:x", media_type=MediaType.MOVIE, names=(Name(text=text),), popularity=popularity)
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
    ],
)
def test_people_call_it(title: str, written: str, kind: NameKind) -> None:
    assert derived(title)[written] == kind


def test_what_hardly_anyone_knows_has_no_initials() -> None:
    assert "law & order svu" not in derived("Law & Order: Special Victims Unit", popularity=2.0)
