"""Whether a server can be asked for the problems that a filter keeps, found out by trial.

It saves reading what is not kept at every reconcile pass. It must not cost a problem: servers ignore a filter, refuse
it, take a comma for a part of the value, tell apart capitals, or call a status otherwise. So what is asked for are the
words that the source was seen to write, and a way of asking is used only when its list shows every problem that is
known to have these words. Each pass repeats the proof: a problem that it misses is asked for by id (`pull.deletion`),
and one that is still kept ends the use of the server's filter, for a day.

Polls never ask so: they have to see problems that leave the filter. A party and an age are never asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from bridge.domain.list_choice import ListChoice, list_choices
from bridge.domain.observation import Via
from bridge.errors import BridgeError, TransientError, UnreadableError
from bridge.http.list_page import FilterRefusedError, ListPage
from bridge.pull.by_id import ask_by_id
from bridge.schedule import now
from bridge.sources.client import ProblemPages
from bridge.sources.state import SourceState
from bridge.storage import list_choice
from bridge.storage.database import Database

log = structlog.get_logger(__name__)

FULL_PASS_AFTER: Final = timedelta(days=1)
"""A pass over everything, and another trial of a filter that failed, after so long."""
_TRY_LATER: Final = timedelta(minutes=5)
_FEW: Final = 20
"""So many problems that a trial misses are asked for by id: they may have changed meanwhile."""


class NotUsableError(Exception):
    """A way of asking leaves problems out, or nothing else; the text says what was seen."""


@dataclass(slots=True)
class ListChooser:
    """Finds out what one source can be asked for."""

    source: SourceState
    database: Database
    choice: ListChoice | None = None
    """What passed the trial."""
    reason: str | None = None
    """Why the filter is applied here; None: it is not, or nothing was tried yet."""
    full_at: datetime | None = None
    """When this process last began a complete pass over everything."""
    _try_at: datetime | None = field(default=None, init=False)

    @property
    def wanted(self) -> bool:
        """Is there a filter that a server could apply?"""
        chosen = self.source.settings.filter
        return chosen.ask_server and bool(chosen.status or chosen.category)

    @property
    def due(self) -> bool:
        """Is a trial due?"""
        return self.wanted and self.choice is None and (self._try_at is None or now() >= self._try_at)

    @property
    def described(self) -> str | None:
        """What of the filter the server applies, for people; None where there is nothing to say."""
        if not self.wanted or (self.choice is None and self.reason is None):
            return None
        return f"applied here: {self.reason}" if self.choice is None else f"applied by the server: {self.choice}"

    async def try_out(self) -> None:
        """Try the ways of asking until one shows what it should; TransientError when the source or Postgres is away."""
        self._try_at = now() + _TRY_LATER
        choices = await self._choices()
        failures: list[str] = []
        for choice in choices:
            try:
                await self._try(choice)
            except NotUsableError as error:
                failures.append(f"{choice}: {error}")
                continue
            self._try_at = None
            self.choice, self.reason = choice, None
            log.info("the server applies the filter", source=self.source.name, asked=str(choice))
            return
        self.give_up(failures[0] if failures else "no problem with these values is known yet, and a trial needs one")
        if not choices:
            self._try_at = now() + _TRY_LATER

    def give_up(self, reason: str) -> None:
        """Apply the filter here for a day; said once."""
        self.choice, self._try_at, self.full_at = None, now() + FULL_PASS_AFTER, None
        if reason != self.reason:
            self.reason = reason
            log.info("the filter is applied here", source=self.source.name, reason=reason)

    async def usable(self, at: datetime) -> ListChoice | None:
        """Return what a pass that begins at `at` may ask for, with all words that are known by now; None: everything is
        to be read.
        """
        if self.choice is None or self.full_at is None or not timedelta(0) <= at - self.full_at < FULL_PASS_AFTER:
            return None
        same = [
            each for each in await self._choices() if (each.style, each.exact) == (self.choice.style, self.choice.exact)
        ]
        if not same:
            self.give_up("its words can no longer be asked for in one address")
            return None
        self.choice = same[0]
        return self.choice

    def pages(self, choice: ListChoice) -> ProblemPages:
        """Return the list of a choice."""
        pages = self.source.client.chosen_pages(choice)
        if pages is None:
            raise NotUsableError("this kind of system is not asked so")
        return pages

    async def _choices(self) -> list[ListChoice]:
        chosen = self.source.settings.filter
        wanted = {each.casefold() for each in chosen.category}
        async with self.database.connection() as connection:
            statuses = await list_choice.status_words(connection, self.source.source_id, chosen.status)
            named = await list_choice.categories(connection, self.source.source_id) if wanted else []
        categories = [each for each in named if each.casefold() in wanted]
        return list_choices(chosen.status, statuses, chosen.category, categories)

    async def _try(self, choice: ListChoice) -> None:
        """Read the list of a choice and compare it with what is known; nothing of it is stored."""
        began_at = now()
        pages = self.pages(choice)
        try:
            async for page in pages:
                if page.number == 1:
                    self._check_first(page)
        except FilterRefusedError as error:
            raise NotUsableError(f"refused: {error}") from error
        except TransientError:
            raise
        except BridgeError as error:
            raise NotUsableError(str(error)) from error
        if not pages.completeness.complete:
            raise NotUsableError(f"its list is {pages.completeness}")
        await self._compare(choice, pages, began_at)

    def _check_first(self, page: ListPage) -> None:
        """NotUsableError where the first page has a problem that was not asked for: the filter is ignored."""
        chosen = self.source.settings.filter
        categories = {each.casefold() for each in chosen.category}
        for row in page.items:
            try:
                seen = self.source.reader.read_problem(
                    row.read(), asked_at=page.asked_at, via=Via.RECONCILE, vocabulary=self.source.vocabulary
                )
            except UnreadableError:
                continue
            other = seen.status is not None and chosen.status and seen.status.value not in chosen.status
            if other or (seen.category is not None and categories and seen.category.casefold() not in categories):
                raise NotUsableError("the server ignores it")

    async def _compare(self, choice: ListChoice, pages: ProblemPages, began_at: datetime) -> None:
        """NotUsableError unless the list shows all problems that are known to have these values."""
        expected, missing = 0, []
        async with self.database.connection() as connection:
            async for ids in list_choice.listed(connection, self.source.source_id, choice, began_at):
                expected += len(ids)
                missing += pages.unseen(ids)
        if not expected:
            raise NotUsableError("no problem with these values is known yet, and a trial needs one")
        if len(missing) > _FEW or await self._any_kept(missing):
            raise NotUsableError(f"{len(missing):,} of {expected:,} problems are not in its list")

    async def _any_kept(self, problem_ids: Sequence[str]) -> bool:
        """Is one of these still kept by the filter, or is that not known?"""
        answers = await ask_by_id(self.source, problem_ids)
        kept = [not each.gone and (each.observation is None or self.source.keeps(each.observation)) for each in answers]
        return len(answers) < len(problem_ids) or any(kept)
