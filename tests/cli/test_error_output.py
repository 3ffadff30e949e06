"""What failed is said on standard error, in whole lines that steer no terminal."""

import pytest

from bridge.cli.error_output import complain


def test_it_is_said_on_standard_error_line_by_line_without_markup(capsys: pytest.CaptureFixture[str]) -> None:
    long = "word " * 60
    complain(f"[bold]first[/] {long}end", "second\x1b[2J")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [f"error: [bold]first[/] {long}end", "second\\x1b[2J"]
