"""`simulate`: a TMF656 server to try the bridge, or anything else, against."""

from typing import Annotated, Literal

import typer

from bridge.cli.options import Config, on_loop, settings_for, until_signal
from bridge.errors import PermanentError
from bridge.simulator import Faults, Simulator, serve


def simulate(
    config: Config = None,
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="TCP port; 0 takes a free one.")] = 8657,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    version: Annotated[
        str, typer.Option("--version", help="2, 3, 4, 5, or r18.5 (version 3's model that calls itself 4.0.0).")
    ] = "4",
    rate: Annotated[float, typer.Option("--rate", min=0, help="Events a second.")] = 1.0,
    population: Annotated[int, typer.Option("--population", min=0, help="Problems at the start.")] = 100,
    max_problems: Annotated[
        int | None, typer.Option("--max-problems", min=1, help="Delete the oldest ended ones beyond so many.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Make lives and faults repeatable.")] = None,
    username: Annotated[str | None, typer.Option("--username", help="Ask for HTTP basic.")] = None,
    password: Annotated[
        str | None, typer.Option("--password", envvar="SIMULATE_PASSWORD", help="Password for --username.")
    ] = None,
    token: Annotated[
        str | None, typer.Option("--token", envvar="SIMULATE_TOKEN", help="Ask for this bearer token.")
    ] = None,
    lose: Annotated[float, typer.Option("--lose", min=0, max=1, help="Share of notifications never sent.")] = 0,
    duplicate: Annotated[float, typer.Option("--duplicate", min=0, max=1, help="Share sent twice.")] = 0,
    delay: Annotated[float, typer.Option("--delay", min=0, max=1, help="Share sent late.")] = 0,
    delay_seconds: Annotated[float, typer.Option("--delay-seconds", min=0, help="How late.")] = 5,
    shuffle: Annotated[float, typer.Option("--shuffle", min=0, max=1, help="Share sent out of order.")] = 0,
    partial: Annotated[
        bool | None,
        typer.Option(
            "--partial/--whole",
            metavar="",
            help="Send changed attributes only, or whole problems. Default: as the version does.",
        ),
    ] = None,
    forget_after: Annotated[
        int | None,
        typer.Option("--forget-after", min=1, help="Silently forget subscriptions after so many deliveries."),
    ] = None,
    no_hub: Annotated[bool, typer.Option("--no-hub", metavar="", help="Offer no hub.")] = False,
    error_rate: Annotated[
        float, typer.Option("--error-rate", min=0, max=1, help="Share of requests answered 500.")
    ] = 0,
    slow_seconds: Annotated[float, typer.Option("--slow-seconds", min=0, help="Answer each request so late.")] = 0,
    cut: Annotated[float, typer.Option("--cut", min=0, max=1, help="Share of answers that break off.")] = 0,
    ignore_filter: Annotated[
        bool, typer.Option("--ignore-filter", metavar="", help="Ignore filters in lists.")
    ] = False,
    page_style: Annotated[
        Literal["offset", "page_number", "cursor"],
        typer.Option("--page-style", help="How offset counts, or that there is only a Link."),
    ] = "offset",
    page_cap: Annotated[
        int | None, typer.Option("--page-cap", min=1, help="Most items on a page, whatever limit says.")
    ] = None,
    shift_pages: Annotated[
        bool, typer.Option("--shift-pages", metavar="", help="Let items move between pages.")
    ] = False,
) -> None:
    """Run a simulated TMF656 server: list, get, create, patch, delete, hub, and problems that live plausible lives.

    With fault options it behaves as badly as real servers do.
    """
    settings_for(config)
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
    on_loop(lambda: serve_until_signal(simulator))


async def serve_until_signal(simulator: Simulator) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    try:
        await until_signal(lambda: serve(simulator, _started))
    except* OSError as errors:
        raise PermanentError(
            f"cannot listen on {simulator.host}:{simulator.port} ({errors.exceptions[0]}): "
            "choose another --port, or 0 for any free one"
        ) from errors


def _started(simulator: Simulator) -> None:
    typer.echo(f"TMF656 version {simulator.version} at {simulator.url}   (Ctrl-C stops it)")
