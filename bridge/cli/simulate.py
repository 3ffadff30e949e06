"""`simulate`: a ticket system of some kind to try the bridge, or anything else, against."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, Literal, Protocol

import typer

from bridge.cli.options import Config, on_loop, settings_for, until_signal
from bridge.errors import PermanentError
from bridge.simulator import Faults, Simulator, serve
from bridge.simulator.dataminer.faults import DataminerFaults
from bridge.simulator.dataminer.simulator import DataminerSimulator, serve_dataminer
from bridge.simulator.servicenow.faults import ServiceNowFaults
from bridge.simulator.servicenow.simulator import ServiceNowSimulator, serve_servicenow
from bridge.simulator.tmf656.write_faults import WriteFaults

_EVERY_KIND = frozenset(
    {"config", "kind", "port", "host", "rate", "population", "seed", "username", "password", "error_rate", "cut"}
    | {"slow_seconds", "lose_answers", "late_writes", "late_seconds"}
)
"""Options that every kind of system has."""
_WRITES = ("servicenow", "dataminer", "dataminer-api")
_SOME = {
    **dict.fromkeys(("client_id", "client_secret", "hourly_limit"), ("servicenow",)),
    **dict.fromkeys(("normalise", "stale"), _WRITES),
    **dict.fromkeys(("ticket_type", "update"), ("dataminer",)),
    "refuse": ("dataminer", "dataminer-api"),
    "token": ("tmf656", "dataminer-api"),
}
"""Options that some kinds have; what is neither here nor above belongs to tmf656."""


_ANY_FAULT: Final = "How badly it behaves"
_TMF656: Final = "Only --kind tmf656"
_PUSH: Final = "Only --kind tmf656: its notifications"
_SERVICENOW: Final = "Only --kind servicenow"
_DATAMINER: Final = "Only --kind dataminer and dataminer-api"
_TICKETS: Final = "Every --kind but tmf656"
"""Panels of `--help`."""


class AnySimulator(Protocol):
    """What all simulators have."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Where it listens."""
        ...


def simulate(
    context: typer.Context,
    config: Config = None,
    kind: Annotated[
        Literal["tmf656", "servicenow", "dataminer", "dataminer-api"],
        typer.Option("--kind", help="Which system: as `kind` of a source."),
    ] = "tmf656",
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="TCP port; 0 takes a free one.")] = 8660,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    version: Annotated[
        str,
        typer.Option(
            "--version",
            rich_help_panel=_TMF656,
            help="2, 3, 4, 5, or r18.5 (version 3's model that calls itself 4.0.0).",
        ),
    ] = "4",
    rate: Annotated[float, typer.Option("--rate", min=0, help="Events a second.")] = 1.0,
    population: Annotated[int, typer.Option("--population", min=0, help="Problems at the start.")] = 100,
    max_problems: Annotated[
        int | None,
        typer.Option(
            "--max-problems", rich_help_panel=_TMF656, min=1, help="Delete the oldest ended ones beyond so many."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Make lives and faults repeatable.")] = None,
    username: Annotated[str | None, typer.Option("--username", help="Ask for HTTP basic, or this login.")] = None,
    password: Annotated[
        str | None, typer.Option("--password", envvar="SIMULATE_PASSWORD", help="Password for --username.")
    ] = None,
    token: Annotated[
        str | None, typer.Option("--token", envvar="SIMULATE_TOKEN", help="Ask for this bearer token.")
    ] = None,
    client_id: Annotated[
        str | None, typer.Option("--client-id", rich_help_panel=_SERVICENOW, help="An OAuth client that it knows.")
    ] = None,
    client_secret: Annotated[
        str | None,
        typer.Option(
            "--client-secret",
            rich_help_panel=_SERVICENOW,
            envvar="SIMULATE_CLIENT_SECRET",
            help="Secret for --client-id.",
        ),
    ] = None,
    hourly_limit: Annotated[
        int | None,
        typer.Option("--hourly-limit", rich_help_panel=_SERVICENOW, min=1, help="Requests an hour, then 429."),
    ] = None,
    ticket_type: Annotated[
        str, typer.Option("--ticket-type", rich_help_panel=_DATAMINER, help="dataminer: name of the ticket type.")
    ] = "SES",
    update: Annotated[
        Literal["whole", "changed"],
        typer.Option(
            "--update", rich_help_panel=_DATAMINER, help="dataminer: UpdateTicket replaces all fields, or changes some."
        ),
    ] = "changed",
    lose_answers: Annotated[
        float,
        typer.Option(
            "--lose-answers", rich_help_panel=_ANY_FAULT, min=0, max=1, help="Share of writes done and never answered."
        ),
    ] = 0,
    late_writes: Annotated[
        float,
        typer.Option(
            "--late-writes",
            rich_help_panel=_ANY_FAULT,
            min=0,
            max=1,
            help="Share of writes done after the caller has gone.",
        ),
    ] = 0,
    late_seconds: Annotated[
        float, typer.Option("--late-seconds", rich_help_panel=_ANY_FAULT, min=0, help="How late.")
    ] = 5,
    normalise: Annotated[
        bool,
        typer.Option("--normalise", rich_help_panel=_TICKETS, metavar="", help="Store texts with single blanks only."),
    ] = False,
    stale: Annotated[
        bool,
        typer.Option(
            "--stale", rich_help_panel=_TICKETS, metavar="", help="Lists are those from before the last change."
        ),
    ] = False,
    refuse: Annotated[
        list[str] | None,
        typer.Option("--refuse", rich_help_panel=_DATAMINER, help="A field nobody may write; may be repeated."),
    ] = None,
    lose: Annotated[
        float, typer.Option("--lose", rich_help_panel=_PUSH, min=0, max=1, help="Share of notifications never sent.")
    ] = 0,
    duplicate: Annotated[
        float, typer.Option("--duplicate", rich_help_panel=_PUSH, min=0, max=1, help="Share sent twice.")
    ] = 0,
    delay: Annotated[float, typer.Option("--delay", rich_help_panel=_PUSH, min=0, max=1, help="Share sent late.")] = 0,
    delay_seconds: Annotated[
        float, typer.Option("--delay-seconds", rich_help_panel=_PUSH, min=0, help="How late.")
    ] = 5,
    shuffle: Annotated[
        float, typer.Option("--shuffle", rich_help_panel=_PUSH, min=0, max=1, help="Share sent out of order.")
    ] = 0,
    partial: Annotated[
        bool | None,
        typer.Option(
            "--partial/--whole",
            rich_help_panel=_PUSH,
            metavar="",
            help="Send changed attributes only, or whole problems. Default: as the version does.",
        ),
    ] = None,
    forget_after: Annotated[
        int | None,
        typer.Option(
            "--forget-after",
            rich_help_panel=_PUSH,
            min=1,
            help="Silently forget subscriptions after so many deliveries.",
        ),
    ] = None,
    no_hub: Annotated[
        bool, typer.Option("--no-hub", rich_help_panel=_TMF656, metavar="", help="Offer no hub.")
    ] = False,
    error_rate: Annotated[
        float,
        typer.Option("--error-rate", rich_help_panel=_ANY_FAULT, min=0, max=1, help="Share of requests answered 500."),
    ] = 0,
    slow_seconds: Annotated[
        float, typer.Option("--slow-seconds", rich_help_panel=_ANY_FAULT, min=0, help="Answer each request so late.")
    ] = 0,
    cut: Annotated[
        float, typer.Option("--cut", rich_help_panel=_ANY_FAULT, min=0, max=1, help="Share of answers that break off.")
    ] = 0,
    ignore_filter: Annotated[
        bool, typer.Option("--ignore-filter", rich_help_panel=_TMF656, metavar="", help="Ignore filters in lists.")
    ] = False,
    page_style: Annotated[
        Literal["offset", "page_number", "cursor"],
        typer.Option("--page-style", rich_help_panel=_TMF656, help="How offset counts, or that there is only a Link."),
    ] = "offset",
    page_cap: Annotated[
        int | None,
        typer.Option("--page-cap", rich_help_panel=_TMF656, min=1, help="Most items on a page, whatever limit says."),
    ] = None,
    shift_pages: Annotated[
        bool, typer.Option("--shift-pages", rich_help_panel=_TMF656, metavar="", help="Let items move between pages.")
    ] = False,
) -> None:
    """Run a simulated ticket system with tickets that live plausible lives: a TMF656 server with its hub, or, with
    another --kind, ServiceNow's Table API or DataMiner's ticket APIs.

    With fault options it behaves as badly as real servers do.
    """
    settings_for(config)
    _refuse_options_of_others(context, kind)
    troubles: dict[str, Any] = {
        "error_rate": error_rate,
        "slow_seconds": slow_seconds,
        "cut": cut,
        "lose": lose_answers,
        "late": late_writes,
        "late_seconds": late_seconds,
        "normalise": normalise,
        "stale": stale,
    }
    if kind in ("dataminer", "dataminer-api"):
        system = DataminerSimulator(
            kind,
            rate=rate,
            population=population,
            faults=DataminerFaults(**troubles, refuse=frozenset(refuse or ())),
            seed=seed,
            username=username,
            password=password,
            token=token,
            ticket_type=ticket_type,
            host=host,
            port=port,
        )
        system.services.update = update
        on_loop(lambda: serve_until_signal(system, serve_dataminer, "DataMiner System"))
        return
    if kind == "servicenow":
        instance = ServiceNowSimulator(
            rate=rate,
            population=population,
            faults=ServiceNowFaults(**troubles),
            seed=seed,
            username=username,
            password=password,
            client_id=client_id,
            client_secret=client_secret,
            hourly_limit=hourly_limit,
            host=host,
            port=port,
        )
        on_loop(lambda: serve_until_signal(instance, serve_servicenow, "ServiceNow instance"))
        return
    faults = Faults(
        lose=lose,
        duplicate=duplicate,
        delay=delay,
        delay_seconds=delay_seconds,
        shuffle=shuffle,
        partial=partial,
        forget_subscriptions_after=forget_after,
        hub_absent=no_hub,
        error_rate=error_rate,
        slow_seconds=slow_seconds,
        cut=cut,
        ignore_filter=ignore_filter,
        page_style=page_style,
        page_cap=page_cap,
        shift_pages=shift_pages,
        writes=WriteFaults(lose_answer=lose_answers, late=late_writes, late_seconds=late_seconds),
    )
    try:
        simulator = Simulator(
            version=version,
            rate=rate,
            population=population,
            faults=faults,
            seed=seed,
            username=username,
            password=password,
            token=token,
            host=host,
            port=port,
            max_problems=max_problems,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    on_loop(lambda: serve_until_signal(simulator, serve, f"TMF656 version {version}"))


def _refuse_options_of_others(context: typer.Context, kind: str) -> None:
    """Refuse an option that is given and that this kind does not have."""
    for name in context.params:
        source = context.get_parameter_source(name)
        given = source is not None and source.name == "COMMANDLINE"
        kinds = _SOME.get(name, ("tmf656",))
        if given and name not in _EVERY_KIND and kind not in kinds:
            raise typer.BadParameter(f"--{name.replace('_', '-')} is an option of --kind {' or '.join(kinds)}")


async def serve_until_signal(
    simulator: AnySimulator, serve_it: Callable[[Any, Callable[[Any], None]], Awaitable[None]], what: str
) -> None:
    """Serve until SIGTERM or Ctrl-C, and say where `what` listens."""

    def started(running: AnySimulator) -> None:
        typer.echo(f"{what} at {running.url}   (Ctrl-C stops it)")

    try:
        await until_signal(lambda: serve_it(simulator, started))
    except* OSError as errors:
        raise PermanentError(
            f"cannot listen on {simulator.host}:{simulator.port} ({errors.exceptions[0]}): "
            "choose another --port, or 0 for any free one"
        ) from errors
