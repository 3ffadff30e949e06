"""What a pass found, in sentences that name the next step."""

from bridge.domain.completeness import Completeness, Gap
from bridge.pull.page_import import Tally
from bridge.pull.pass_summary import summary


def test_a_complete_poll_is_one_sentence() -> None:
    tally = Tally(problems=1200, pages=3)
    tally.completeness = Completeness(None, 1200)
    assert list(summary("sim", tally, full=False)) == ["1,200 rows on 3 pages (pages may overlap): nothing"]


def test_an_incomplete_pass_says_why_and_what_follows() -> None:
    tally = Tally(problems=20, pages=1, unreadable=2)
    tally.completeness = Completeness(Gap.MORE_STATED, 20, 57)
    said = list(summary("sim", tally, full=True))
    assert "2 could not be read: see `tmf656-bridge dead-letters list`" in said
    assert said[-2].startswith("the pass was incomplete: 20 of 57 problems")
    assert said[-1] == "nothing was looked for as deleted"
