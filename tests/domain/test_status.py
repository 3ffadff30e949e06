"""Statuses: what ticket systems write, in the eight words of version 4 and two of ours."""

import pytest

from bridge.domain.status import Status, fold, normalise


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Status.SUBMITTED, ["submitted", "New", "NEW", "Created", "To Do", "Received", "RECEIVED_BY_GATEWAY"]),
        (Status.ACKNOWLEDGED, ["Acknowledged", "open", "Open", "Assigned", "Accepted", "ack", "Assigned to Level 2"]),
        (
            Status.IN_PROGRESS,
            [
                "inProgress",
                "In Progress",
                "IN_PROGRESS",
                "in-progress",
                "Work In Progress",
                "workInProgress",
                "WIP",
                "Under Investigation",
                "Root Cause Analysis",
                "Fix in Progress",
                "Active",
                "Reopened",
                "In Progress - waiting for night",
            ],
        ),
        (
            Status.HELD,
            ["held", "On Hold", "on-hold", "ONHOLD", "In Progress \u2013 Held", "Suspended", "On Hold (vendor)"],
        ),
        (
            Status.PENDING,
            [
                "pending",
                "Awaiting Vendor",
                "awaiting vendor",
                "Awaiting User Info",
                "Waiting for Customer",
                "Waiting on 3rd party",
                "Pending - Change",
                "pending reminder",
                "In Progress [Pending]",
                "Need More Info",
            ],
        ),
        (
            Status.RESOLVED,
            ["resolved", "Solved", "Fixed", "Cleared", "Restored", "pending auto close+", "Resolved (temp)"],
        ),
        (
            Status.CLOSED,
            [
                "Closed",
                "Closed Complete",
                "Closed Incomplete",
                "Closed/Resolved",
                "Done",
                "Completed",
                "COMPLETE",
                "merged",
            ],
        ),
        (Status.CANCELLED, ["Cancelled", "canceled", "Withdrawn", "Closed Cancelled", "Cancelled by user", "Won't Do"]),
        (Status.REJECTED, ["rejected", "Declined", "Closed - Rejected", "Won't fix", "Rejected by vendor"]),
        (Status.SUBMITTED, ["1 - New", "Status: New", "[1] New"]),
        (Status.ACKNOWLEDGED, ["TicketState.OPEN", "Ticket open", "ST_OPEN"]),
        (
            Status.IN_PROGRESS,
            ["2 - In Progress", "STATUS_IN_PROGRESS", "ticketStatus.inProgress", "(2) Work in Progress"],
        ),
        (Status.PENDING, ["3 - Awaiting vendor", "status_pending"]),
        (
            Status.RESOLVED,
            ["6 - Resolved", "Solved (Work Around)", "Permanently resolved", "Service restored", "Auto fixed"],
        ),
        (
            Status.CLOSED,
            [
                "7 - Closed",
                "07_CLOSED",
                "<b>Closed</b>",
                "Auto-closed",
                "Force closed",
                "\uff23\uff2c\uff2f\uff33\uff25\uff24",
                "isClosed",
            ],
        ),
        (Status.CANCELLED, ["8: Cancelled by user", "State = cancelled"]),
        (
            Status.UNKNOWN,
            [
                "to be closed",
                "almost done",
                "Not Closed",
                "un-resolved",
                "partially restored",
                "status",
                "7 8",
                "is not open",
            ],
        ),
        (Status.UNKNOWN, ["", "zzz", "7", "Unresolved", "not done", "unknown", "\u0000", "\ud800", "x" * 100_000]),
    ],
)
def test_c8_words_of_ticket_systems_mean_a_status(status: Status, words: list[str]) -> None:
    assert {word: normalise(word) for word in words} == dict.fromkeys(words, status)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Status.SUBMITTED, ["Neu", "Nouveau", "Nuevo", "Nova", "Nieuw", "新建", "Новый"]),
        (Status.ACKNOWLEDGED, ["Offen", "Ouvert", "Abierto", "Pris en compte", "Öppen", "Открыт", "已受理"]),
        (Status.IN_PROGRESS, ["In Bearbeitung", "En cours", "En curso", "Em andamento", "W toku", "処理中", "進行中"]),
        (Status.HELD, ["Suspendu", "En espera", "Sospeso", "挂起", "保留"]),
        (Status.PENDING, ["En attente", "Pendiente", "Wartet auf Kunde", "Aguardando cliente", "Ожидает ответа"]),
        (Status.RESOLVED, ["Gelöst", "Resolu", "Résolue", "Risolto", "Решён", "已解决", "해결됨", "Çözüldü"]),
        (Status.CLOSED, ["Geschlossen", "Clôturé", "cloture", "Cerrado", "Fechada", "Zamknięte", "完了", "مغلق"]),
        (Status.CANCELLED, ["Storniert", "Annulé", "Cancelado", "Отменён", "已取消"]),
        (Status.REJECTED, ["Abgelehnt", "Rechazado", "Respinto", "却下"]),
        (Status.UNKNOWN, ["Lost", "verloren", "jamais ouvert", "nicht geschlossen"]),
    ],
)
def test_c8_words_of_other_languages_mean_a_status(status: Status, words: list[str]) -> None:
    assert {word: normalise(word) for word in words} == dict.fromkeys(words, status)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Status.IN_PROGRESS, ["Open - In Progress", "Open/Work in progress", "OPEN: investigating"]),
        (Status.SUBMITTED, ["NEW - unassigned", "New | never seen"]),
        (Status.RESOLVED, ["Clear - reopened"]),
        (Status.UNKNOWN, ["Something - Closed", " - ", "-"]),
    ],
)
def test_c8_of_several_parts_the_first_is_a_status_and_the_last_may_say_more(status: Status, words: list[str]) -> None:
    assert {word: normalise(word) for word in words} == dict.fromkeys(words, status)


@pytest.mark.parametrize(
    "word", ["Work In Progress", "work-in-progress", "WORK_IN_PROGRESS", "workInProgress", " (work) in/progress"]
)
def test_case_blanks_and_signs_do_not_matter(word: str) -> None:
    assert fold(word) == "workinprogress"


def test_a_text_of_any_length_gives_a_short_word() -> None:
    assert len(fold("\u0130" * 1_000_000)) <= 200
