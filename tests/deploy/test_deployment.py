"""What is deployed, tried as far as it goes without a container engine or a cluster; deploy/README.md has the rest."""

import configparser
import copy
import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, SecretStr

from bridge.settings import HttpSettings, load
from bridge.settings.model import SECTIONS, Settings
from bridge.settings.source import Tmf656Settings
from bridge.workers import parent

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = re.sub(r"\\\n\s*", "", (DEPLOY / "Dockerfile").read_text())
BUILD, FINAL = DOCKERFILE.split("\nFROM ")[1:]
UNIT = DEPLOY / "systemd" / "tmf656-bridge.service"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
MANIFESTS = [one for path in (DEPLOY / "kubernetes").glob("*.yaml") for one in yaml.safe_load_all(path.read_text())]
OF_OTHERS = {"Kustomization", "ServiceMonitor"}
"""Kinds that Kubernetes itself has no schema of."""
PEERS = ROOT / "tests" / "peers"
OPERATOR = PEERS / "operator.mjs"
needs_operator = pytest.mark.skipif(
    shutil.which("node") is None or not (PEERS / "node_modules" / "@kubernetes-models").is_dir(),
    reason="the Prometheus operator's types are not installed: npm ci --prefix tests/peers",
)
UNCHECKED_HASH = (1).to_bytes(4, "little")
"""PEP 552: the flags of bytecode that is taken whatever its source looks like."""


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [one for one in MANIFESTS if one["kind"] == kind]


def default_of(model: type[BaseModel], name: str) -> Any:
    """As TOML has it, where nothing is an empty text."""
    if model is HttpSettings and name == "public_url":
        return "http://127.0.0.1:8656"
    default = model.model_fields[name].get_default(call_default_factory=True, validated_data={})
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    if isinstance(default, tuple):
        return list(default)
    if isinstance(default, BaseModel):
        return {key: default_of(type(default), key) for key in type(default).model_fields}
    return "" if default is None else str(default) if isinstance(default, Path) else default


@pytest.mark.parametrize("name", ["", *SECTIONS, "sources"])
def test_the_example_has_every_key_with_its_default(name: str) -> None:
    example = tomllib.loads((DEPLOY / "bridge.toml").read_text())
    model = SECTIONS.get(name, Tmf656Settings if name else Settings)
    table = example["sources"]["snow"] if name == "sources" else example[name] if name else example
    wanted = {key for key in model.model_fields if name or key not in {*SECTIONS, "sources", "links"}}
    if not name:
        assert set(table) == set(model.model_fields) - {"links"}, "links join two sources, and the example has one"
    else:
        assert set(table) == wanted
    assert {key: table[key] for key in wanted - {"url"}} == {key: default_of(model, key) for key in wanted - {"url"}}


def test_the_example_is_a_configuration_like_the_built_in_one(tmp_path: Path) -> None:
    built_in = load(env={}, cwd=tmp_path)
    shutil.copy(DEPLOY / "bridge.toml", tmp_path)
    example = load(tmp_path / "bridge.toml", env={}, cwd=tmp_path)
    assert example.model_dump() | {"sources": {}} == built_in.model_dump()


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    kept = {line[1:] for line in lines if line.startswith("!")}
    copied = [word for line in re.findall(r"^COPY (?!--from)(.*)$", BUILD, re.MULTILINE) for word in line.split()[:-1]]
    assert set(copied) == kept
    assert all((ROOT / name).exists() for name in kept)
    assert lines[0] == "*"


def test_the_image_has_compiled_modules_and_no_compiler() -> None:
    assert "gcc" in BUILD
    assert "gcc" not in FINAL
    assert re.search(r"tmf656-bridge --version \| grep -w compiled$", BUILD, re.MULTILINE)
    assert "COPY --from=build /opt/tmf656-bridge /opt/tmf656-bridge" in FINAL
    assert "HATCH_BUILD_HOOKS_ENABLE=1 /opt/build/bin/python -m pip wheel" in BUILD
    assert [line for line in FINAL.splitlines() if "--from=build" in line and "/opt/build" in line] == []


def test_the_image_runs_as_somebody_without_rights_and_reads_no_setting_that_there_is_not(tmp_path: Path) -> None:
    assert re.search(r"^USER (\d+):\1$", FINAL, re.MULTILINE)
    env = dict(re.findall(r"(BRIDGE_\w+)=(\S+)", FINAL))
    settings = load(env=env, cwd=tmp_path)
    assert (settings.http.host, str(settings.data_dir)) == ("0.0.0.0", "/var/lib/tmf656-bridge")  # noqa: S104 -- compared
    assert f"EXPOSE {settings.http.port}" in FINAL


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_health_check_asks_whether_the_process_turns(status: int, healthy: bool) -> None:
    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/livez" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    command = yaml.safe_load(re.search(r"HEALTHCHECK .*CMD (\[.*\])", FINAL)[1])
    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        Thread(target=server.handle_request, daemon=True).start()
        script = command[2].replace(":8656/", f":{server.server_port}/")
        assert script != command[2]
        done = subprocess.run([sys.executable, *command[1:2], script], capture_output=True, check=False, timeout=30)
    assert (done.returncode == 0) is healthy


@pytest.mark.long
def test_the_steps_of_the_image_give_a_program_that_runs(tmp_path: Path) -> None:
    """Each step as it stands, but for where it happens."""
    places = {"/opt/": f"{tmp_path}/opt/", "/wheel": f"{tmp_path}/wheel", "/src": f"{tmp_path}/src"}
    (tmp_path / "src").mkdir()
    for step, rest in re.findall(r"^(COPY|RUN) (.*)$", BUILD, re.MULTILINE):
        if step == "COPY":
            for name in rest.split()[:-1]:
                whole = ROOT / name
                (tmp_path / "src" / name).parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if whole.is_dir() else shutil.copy)(whole, tmp_path / "src" / name)
            continue
        if rest.startswith("apt-get "):  # a compiler, which CI has too
            continue
        for inside, outside in places.items():
            rest = rest.replace(inside, outside)  # noqa: PLW2901 -- read once
        rest = re.sub(r"^python ", f"{shlex.quote(sys.executable)} ", rest)  # noqa: PLW2901 -- read once
        done = subprocess.run(rest, shell=True, cwd=tmp_path / "src", capture_output=True, text=True, check=False)  # noqa: S602 -- ours
        assert done.returncode == 0, done.stderr
    program = tmp_path / "opt" / "tmf656-bridge" / "bin" / "tmf656-bridge"
    shutil.rmtree(tmp_path / "src")
    kept = {path: path.read_bytes()[4:8] for path in (tmp_path / "opt" / "tmf656-bridge" / "lib").rglob("*.pyc")}
    sources = set((tmp_path / "opt" / "tmf656-bridge" / "lib").rglob("*.py"))
    assert {Path(importlib.util.source_from_cache(str(path))) for path in kept} == sources
    assert set(kept.values()) == {UNCHECKED_HASH}, "bytecode that is good only as long as files keep their times"
    said = subprocess.run([program, "check"], cwd=tmp_path, env={}, capture_output=True, text=True, check=False)
    assert "[sources.NAME]" in said.stdout


def test_compose_names_only_what_there_is(tmp_path: Path) -> None:
    services, volumes = COMPOSE["services"], COMPOSE["volumes"]
    used = set()
    for name, service in services.items():
        assert "image" in service or "build" in service, name
        assert set(service.get("depends_on", {})) <= set(services)
        assert {one["source"] for one in service.get("configs", ())} <= set(COMPOSE["configs"])
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            if source.startswith("."):
                assert (DEPLOY / source).exists(), source
            else:
                used.add(source)
        if "build" in service:
            assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).exists()
    assert used == set(volumes)
    settings = load(env=services["bridge"]["environment"], cwd=tmp_path)
    assert list(settings.sources) == ["demo"]


def test_grafana_is_told_everything_its_data_sources_ask_for() -> None:
    asked = set(re.findall(r"\$\{(\w+)\}", (ROOT / "grafana/provisioning/datasources/tmf656-bridge.yaml").read_text()))
    assert asked == set(COMPOSE["services"]["grafana"]["environment"])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze (Debian: systemd) is not here")
def test_the_unit_is_valid_and_locked_up(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/tmf656-bridge/bin/tmf656-bridge", sys.executable))
    verify = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (verify.returncode, verify.stderr) == (0, "")
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert rated.returncode == 0, rated.stdout


def test_systemd_never_gives_up_starting() -> None:
    """By default it does after five starts in ten seconds, which is what a schema that lags behind makes of us."""
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.read(UNIT)
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert unit["Service"]["Restart"] == "always"


def test_whoever_stops_the_bridge_leaves_its_workers_to_it_and_waits_until_it_has_killed_those_that_hang() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.read(UNIT)
    assert unit["Service"]["KillMode"] == "mixed"
    [stateful] = of_kind("StatefulSet")
    waited = [
        unit["Service"]["TimeoutStopSec"].removesuffix("s"),
        stateful["spec"]["template"]["spec"]["terminationGracePeriodSeconds"],
        COMPOSE["services"]["bridge"]["stop_grace_period"].removesuffix("s"),
    ]
    at_most = 2 * (parent._STOP_SECONDS + parent._REAP_SECONDS)
    assert all(float(seconds) > at_most for seconds in waited)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda one: f"{one['kind']}-{one.get('metadata', {}).get('name')}")
def test_a_manifest_is_what_kubernetes_takes(manifest: dict[str, Any]) -> None:
    if manifest["kind"] in OF_OTHERS:
        assert {"apiVersion", "kind"} < set(manifest)
    else:
        import kubernetes_validate  # noqa: PLC0415 -- takes two seconds, and each worker imports this module

        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def operators_verdict(manifest: dict[str, Any]) -> str:
    done = subprocess.run(
        ["node", OPERATOR], input=json.dumps(manifest), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_operator
def test_the_operator_takes_the_service_monitor() -> None:
    (monitor,) = of_kind("ServiceMonitor")
    assert operators_verdict(monitor) == ""


@needs_operator
@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("interval", "15 seconds", '/spec/endpoints/0/interval {"pattern":'),
        ("path", 8656, '/spec/endpoints/0/path {"type":"string"}'),
        ("intervall", "15s", "/spec/endpoints/0/intervall is not known"),
    ],
)
def test_the_operator_would_not_take_a_wrong_one(field: str, value: object, fault: str) -> None:
    monitor = copy.deepcopy(of_kind("ServiceMonitor")[0])
    monitor["spec"]["endpoints"][0][field] = value
    assert fault in operators_verdict(monitor)


@needs_operator
def test_the_rules_make_a_prometheus_rule_as_the_readme_says() -> None:
    (recipe,) = re.findall(r"```\n(\{ printf .*?)```", (DEPLOY / "README.md").read_text(), re.DOTALL)
    recipe = recipe.replace("kubectl apply -f -", "cat")
    made = subprocess.run(recipe, shell=True, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S602 -- ours
    rule = yaml.safe_load(made.stdout)
    assert rule["spec"] == yaml.safe_load((DEPLOY / "prometheus" / "tmf656-bridge.rules.yml").read_text())
    assert operators_verdict(rule) == ""
    rule["spec"]["groups"][0]["rules"][0]["for"] = "a while"
    assert '/rules/0/for {"pattern":' in operators_verdict(rule)


def test_manifests_belong_together() -> None:
    (workload,) = of_kind("StatefulSet")
    labels = workload["spec"]["template"]["metadata"]["labels"]
    container = workload["spec"]["template"]["spec"]["containers"][0]
    for selector in (
        workload["spec"]["selector"]["matchLabels"],
        of_kind("Service")[0]["spec"]["selector"],
        of_kind("PodDisruptionBudget")[0]["spec"]["selector"]["matchLabels"],
        of_kind("NetworkPolicy")[0]["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    assert workload["spec"]["replicas"] == 2
    assert container["securityContext"]["readOnlyRootFilesystem"]
    (listed,) = of_kind("Kustomization")
    assert all((DEPLOY / "kubernetes" / name).exists() for name in listed["resources"])


def test_the_configuration_in_the_cluster_is_one(tmp_path: Path) -> None:
    text = of_kind("ConfigMap")[0]["data"]["bridge.toml"].replace("/run/secrets/tmf656-bridge", str(tmp_path))
    for name in ("dsn", "snow-password"):
        (tmp_path / name).write_text("postgresql://bridge:x@db/bridge")
    (tmp_path / "bridge.toml").write_text(text)
    settings = load(tmp_path / "bridge.toml", env={}, cwd=tmp_path)
    (workload,) = of_kind("StatefulSet")
    container = workload["spec"]["template"]["spec"]["containers"][0]
    mounts = {one["mountPath"] for one in container["volumeMounts"]}
    assert str(settings.data_dir) in mounts
    assert container["args"] == ["run"], "other commands in the container would not find the arguments of this one"
    env = {one["name"]: Path(one["value"]) for one in container["env"]}
    assert str(env["BRIDGE_CONFIG"].parent) in mounts
    assert env["BRIDGE_CONFIG"].name in of_kind("ConfigMap")[0]["data"]
