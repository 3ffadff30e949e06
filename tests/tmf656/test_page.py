"""How a page is asked for, and what the address of the next one tells."""

import pytest

from bridge.tmf656.page import BARE, BY_OFFSET, PageStyle, Unit, names_position, offset_in, style_in


def test_a_page_is_asked_for_by_parameters_or_by_a_header() -> None:
    assert BY_OFFSET.query(40, 20) == "limit=20&offset=40"
    assert PageStyle("page[number]", "page[size]", first=1).query(2, 20) == "page%5Bsize%5D=20&page%5Bnumber%5D=3"
    assert BARE.query(0, 20) == ""
    ranged = PageStyle("", "", Unit.ROWS, ranged=True)
    assert (ranged.query(40, 20), ranged.headers(40, 20)) == ("", {"Range": "items=40-59"})
    assert BY_OFFSET.headers(40, 20) == {}


def test_a_style_has_a_name_for_a_person() -> None:
    assert [str(BY_OFFSET), str(BARE), str(PageStyle("", "", ranged=True))] == [
        "offset/limit",
        "no parameters",
        "Range header",
    ]


@pytest.mark.parametrize(
    ("link", "offset"),
    [
        ("/serviceProblem?limit=20&offset=40", 40),
        ("/serviceProblem?OFFSET=0", 0),
        ("/serviceProblem?offset=-1", None),
        ("/serviceProblem?offset=\u0661", None),
        (f"/serviceProblem?offset={'9' * 19}", None),
        ("/serviceProblem?after=x", None),
    ],
)
def test_an_offset_is_read_where_it_is_one(link: str, offset: int | None) -> None:
    assert offset_in(link) == offset


def test_a_cursor_promises_what_a_position_does_not() -> None:
    assert names_position("/x?pageNumber=2")
    assert names_position("/x?$skip=20")
    assert not names_position("/x?after=20")
    assert not names_position("/x?page=abc")


def test_the_style_of_a_link_is_that_of_the_second_page() -> None:
    assert style_in("/x?page=1&size=20") == PageStyle("page", "size", first=0)
    assert style_in("/x?page=2&size=20") == PageStyle("page", "size", first=1)
    assert style_in("/x?page=7&size=20") is None
    assert style_in("/x?page=1") is None
