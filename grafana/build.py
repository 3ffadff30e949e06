"""Writes the dashboards as the JSON that Grafana reads: `python -m grafana.build [DIRECTORY]`."""

import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana import bridge_internals, feed_health, service_problems, synchronisation

HERE = Path(__file__).parent
BUILDERS = {
    "feed-health": feed_health.build,
    "service-problems": service_problems.build,
    "synchronisation": synchronisation.build,
    "bridge-internals": bridge_internals.build,
}
"""File name without its ending → what builds it."""


def built(name: str) -> str:
    """Return a dashboard as text: panels numbered in order, keys sorted, so that a change shows as a change."""
    dashboard = BUILDERS[name]().build()
    for number, panel in enumerate(dashboard.panels or [], start=1):
        panel.id_val = number
        for letter, target in zip("ABCDEFGH", getattr(panel, "targets", None) or [], strict=False):
            target.ref_id = letter
    return JSONEncoder(sort_keys=True, indent=2).encode(dashboard) + "\n"


def main(directory: Path) -> None:
    """Write all of them."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in BUILDERS:
        (directory / f"{name}.json").write_text(built(name))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "dashboards")
