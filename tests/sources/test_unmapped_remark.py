"""What is said of values that could not be read: escaped, with an example, and the key to set."""

from bridge.domain.service_problem import Unmapped
from bridge.sources.unmapped_remark import describe, remedy

VALUES = [
    Unmapped("status", "Bei Kunde"),
    Unmapped("status", "\x1b[31mrot"),
    Unmapped("lastUpdate", "02/03/2026"),
]


def test_c7_c8_examples_are_shown_by_attribute_and_escaped() -> None:
    assert describe(VALUES) == "status 'Bei Kunde', '\\x1b[31mrot'; lastUpdate '02/03/2026'"
    assert describe([Unmapped("status", str(n)) for n in range(5)]) == "status '0', '1', '2' and 2 more"


def test_c7_c8_the_remedy_names_the_keys() -> None:
    assert remedy("noc", VALUES) == (
        "say what these words mean in sources.noc.status_map; have the source write times as in 2026-03-02T10:00:00Z"
    )
