"""What a ticket has besides its record."""

from bridge.domain.link.side_ticket import ENDED, SideTicket
from bridge.domain.status import Status


def test_a_template_sees_the_record_over_what_every_ticket_has() -> None:
    names = SideTicket("7", "snow", {"id": "sys", "x": 1}, key="tb-1").names()
    assert (names["id"], names["x"], names["key"], names["source"], names["url"]) == ("sys", 1, "tb-1", "snow", "")


def test_a_ticket_has_ended_by_its_status() -> None:
    assert {status for status in Status if SideTicket("7", "a", {}, status.value).ended} == {
        Status.RESOLVED,
        Status.CLOSED,
        Status.CANCELLED,
        Status.REJECTED,
    }
    assert set(Status) >= ENDED
