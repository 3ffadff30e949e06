"""What it was measured on: enough to interpret the figures, nothing that names the machine."""

import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
import psutil

from bridge import __version__, is_compiled
from tests.bench.postgres import SETTINGS

_PEERS = Path(__file__).parent / "peers"


def described(postgres_version: str) -> dict[str, Any]:
    """Machine, versions and the settings of Postgres."""
    wanted = orjson.loads((_PEERS / "package.json").read_bytes())["dependencies"]
    peers = {"fastify": "Fastify", "node-red": "Node-RED", "pg": "pg"}
    return {
        "machine": {
            "cores": psutil.cpu_count(),
            "cpu": _cpu_model(),
            "memory_gb": round(psutil.virtual_memory().total / 2**30),
            "system": platform.system(),
        },
        "versions": {
            "tmf656-bridge": f"{__version__} ({'compiled' if is_compiled() else 'pure Python'})",
            "Python": platform.python_version(),
            "Postgres": postgres_version,
            "aiohttp": version("aiohttp"),
            "Node.js": _node_version(),
        }
        | {title: wanted[name] for name, title in peers.items()}
        | {"dlt": _dlt_version()},
        "postgres_settings": dict(SETTINGS),
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _node_version() -> str:
    node = shutil.which("node")
    if node is None:
        return "none"
    return subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip().lstrip("v")


def _dlt_version() -> str:
    return (_PEERS / "dlt.txt").read_text().strip().partition("==")[2]
