"""HTTP for the simulated world: the paths of TMF656, its errors, and the faults of answers.

One version a server. Handlers change the world between two awaits, so a request is done or not begun; a request cut
off by the server's end gets no answer though it may have been carried out, as anywhere.
"""

import base64
import hmac
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import anyio
import orjson
from aiohttp import web

from bridge.simulator.tmf656 import dialect, selection
from bridge.simulator.tmf656.background import background
from bridge.simulator.tmf656.faults import Operation
from bridge.simulator.tmf656.hub import SimulatorSubscription
from bridge.simulator.tmf656.message_dialect import encode_error
from bridge.simulator.tmf656.paging import PagingDefectError, cut_page
from bridge.simulator.tmf656.world import TASKS, World
from bridge.simulator.tmf656.writes import RefusedWriteError, Writes

Json = dict[str, Any]
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_KEEPALIVE_SECONDS = 15.0
_SHUTDOWN_SECONDS = 0.5
_BODY_BYTES = 4 * 1024 * 1024
_WRITES = frozenset({"create", "patch", "delete"})


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request as it came in; `query` is raw."""

    operation: Operation
    method: str
    path: str
    query: str


@dataclass
class Credentials:
    """What the server asks for; may be changed while it runs. None: not asked for."""

    username: str | None = None
    password: str | None = None
    token: str | None = None

    def admit(self, authorization: str) -> bool:
        """Tell whether the Authorization header's value is one of those asked for."""
        expected = []
        if self.username is not None:
            expected.append("Basic " + self.basic())
        if self.token is not None:
            expected.append(f"Bearer {self.token}")
        given = authorization.encode()
        return not expected or any(hmac.compare_digest(given, value.encode()) for value in expected)

    def basic(self) -> str:
        """Return user name and password as Basic authentication carries them."""
        return base64.b64encode(f"{self.username or ''}:{self.password or ''}".encode()).decode()


class _AnsweredError(Exception):
    """The request is answered with an error of this status."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


class SimulatorServer:
    """The server; an async context manager, within which requests are answered."""

    def __init__(
        self,
        world: World,
        writes: Writes,
        credentials: Credentials,
        received: Callable[[ReceivedRequest], None],
        listening: socket.socket,
    ) -> None:
        """Serve `world`, written to through `writes`, on the `listening` socket; `received` is called for each request
        before it is looked at.
        """
        self._world = world
        self._credentials = credentials
        self._received = received
        self._listening = listening
        self._writes = writes
        self._stack = AsyncExitStack()
        self._base = dialect.base_path(world.version)
        charset = "" if world.version in ("2", "5") else ";charset=utf-8"
        self._content_type = f"application/json{charset}"
        self._runner = web.AppRunner(
            self._application(),
            access_log=None,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )

    async def __aenter__(self) -> Self:
        """Begin to answer."""
        self._tasks = await self._stack.enter_async_context(background())
        await self._runner.setup()
        await web.SockSite(self._runner, self._listening).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening and close the connections."""
        with anyio.CancelScope(shield=True):
            await self._runner.cleanup()
        await self._stack.aclose()

    def _application(self) -> web.Application:
        @web.middleware
        async def gate(request: web.Request, handler: _Handler) -> web.StreamResponse:
            return await self._gate(request, handler)

        application = web.Application(middlewares=[gate], client_max_size=_BODY_BYTES)
        application.on_response_prepare.append(self._state_date)
        problem, base = f"{self._base}/serviceProblem", self._base
        routes = [
            web.get(problem, self._list),
            web.post(problem, self._create),
            web.get(problem + "/{id}", self._get),
            web.patch(problem + "/{id}", self._patch),
            web.post(f"{base}/hub", self._register),
            web.get(f"{base}/hub", self._list_hubs),
            web.get(f"{base}/hub/{{id}}", self._get_hub),
            web.delete(f"{base}/hub/{{id}}", self._unregister),
            web.post("/oauth2/token", self._token),
        ]
        if self._world.version != "2":
            routes += [
                web.delete(problem + "/{id}", self._delete),
                web.get(f"{base}/serviceProblemEventRecord", self._event_records),
                web.post(f"{base}/{{task:{'|'.join(TASKS)}}}", self._task),
            ]
        if self._world.version == "5":
            routes += [
                web.get(f"{base}/{{task:{'|'.join(TASKS)}}}", self._list_tasks),
                web.get(f"{base}/{{task:{'|'.join(TASKS)}}}/{{id}}", self._get_task),
            ]
        application.add_routes(routes)
        return application

    # What happens to every request

    async def _gate(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Note the request, let the faults have their turn, turn errors into the version's Error object."""
        operation = self._operation(request)
        self._received(ReceivedRequest(operation, request.method, request.path, request.rel_url.raw_query_string))
        faults = self._world.faults
        if faults.down:
            return self._abort(request)
        try:
            await self._obstruct(operation)
            self._authenticate(operation, request)
            answer = await (self._write if operation in _WRITES else self._answer)(request, handler)
        except _AnsweredError as refused:
            answer = self._error(refused.status, str(refused), refused.headers)
        if faults.hits(operation) and isinstance(answer, web.Response) and faults.take_cut():
            return await self._cut(request, answer)
        return answer

    async def _answer(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Carry a request out; errors become the version's Error object."""
        try:
            return await handler(request)
        except _AnsweredError as refused:
            return self._error(refused.status, str(refused), refused.headers)
        except RefusedWriteError as refused:
            return self._error(refused.status, str(refused))
        except selection.SelectionError as error:
            return self._error(400, str(error))
        except selection.UnsupportedSelectionError as error:
            return self._error(501, str(error))
        except PagingDefectError as error:
            return self._error(500, str(error))
        except web.HTTPException as error:
            allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
            return self._error(error.status, error.reason, allowed)

    def _operation(self, request: web.Request) -> Operation:
        if request.path == "/oauth2/token":
            return "token"
        resource, _, rest = request.path.removeprefix(self._base).strip("/").partition("/")
        if resource == "hub":
            return "hub"
        if resource in TASKS:
            return "task"
        if resource != "serviceProblem":
            return "other"
        if request.method == "GET":
            return "get" if rest else "list"
        operations: dict[str, Operation] = {"POST": "create", "PATCH": "patch", "DELETE": "delete"}
        return operations.get(request.method, "other")

    async def _obstruct(self, operation: Operation) -> None:
        """Raise or wait as the faults want it."""
        faults = self._world.faults
        if not faults.hits(operation):
            return
        if faults.slow_seconds > 0:
            await anyio.sleep(faults.slow_seconds)
        if faults.unauthorised:
            raise _AnsweredError(401, "not authorised", {"WWW-Authenticate": "Bearer"})
        if faults.take_rate_limit():
            raise _AnsweredError(429, "too many requests", {"Retry-After": str(faults.retry_after_seconds)})
        if faults.take_failure():
            raise _AnsweredError(500, "a simulated failure")

    def _authenticate(self, operation: Operation, request: web.Request) -> None:
        if operation != "token" and not self._credentials.admit(request.headers.get("Authorization", "")):
            scheme = "Bearer" if self._credentials.username is None else "Basic"
            raise _AnsweredError(401, "credentials are missing or wrong", {"WWW-Authenticate": scheme})

    def _abort(self, request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=503)

    async def _cut(self, request: web.Request, answer: web.Response) -> web.StreamResponse:
        """Send half of the body and break the connection."""
        body = answer.body if isinstance(answer.body, bytes) else b""
        headers = {name: value for name, value in answer.headers.items() if name != "Content-Length"}
        broken = web.StreamResponse(status=answer.status, headers=headers)
        broken.content_length = max(len(body), 2)
        await broken.prepare(request)
        await broken.write(body[: len(body) // 2] or b" ")
        if request.transport is not None:
            request.transport.close()
        return broken

    async def _state_date(self, _: web.Request, response: web.StreamResponse) -> None:
        """State another time than ours, or none."""
        faults = self._world.faults
        if faults.no_date:
            response.headers.popall("Date", None)
        elif faults.date is not None:
            response.headers["Date"] = faults.date

    # Answers

    def _raw(self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
        return web.Response(body=body, status=status, headers={"Content-Type": self._content_type, **(headers or {})})

    def _json(self, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
        return self._raw(orjson.dumps(value), status, headers)

    def _error(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
        return self._json(encode_error(status, message, self._world.version), status, headers)

    async def _body(self, request: web.Request) -> Any:
        try:
            return orjson.loads(await request.read())
        except orjson.JSONDecodeError as error:
            raise _AnsweredError(400, f"the body is not JSON: {error}") from error

    async def _object(self, request: web.Request) -> Json:
        """Read an object; v5 insists on `@type`."""
        body = await self._body(request)
        if not isinstance(body, dict):
            raise _AnsweredError(400, "the body must be a JSON object")
        if self._world.version == "5" and not isinstance(body.get("@type"), str):
            raise _AnsweredError(400, "@type is mandatory")
        return body

    def _problem_id(self, request: web.Request) -> str:
        problem_id = request.match_info["id"]
        if problem_id not in self._world.problems:
            raise _AnsweredError(404, f"no service problem {problem_id}")
        return problem_id

    # Service problems

    async def _list(self, request: web.Request) -> web.StreamResponse:
        world, collection, faults = self._world, self._world.collection, self._world.faults
        raw_query = request.rel_url.raw_query_string
        wanted = selection.parse(raw_query)
        ids = collection.select(wanted)
        url = f"{collection.base_url}/serviceProblem"
        page = cut_page(
            ids, wanted, faults, version=world.version, url=url, raw_query=raw_query, position=collection.position
        )
        fields = wanted.fields
        if fields is None and faults.thin_rows:
            fields = frozenset(dialect.wire_name(name, world.version) for name in ("status", "lastUpdate"))
        if fields is None:
            shown = collection.body_before if faults.writes.take_stale() else collection.body
            body = b"[" + b",".join([shown(problem_id) for problem_id in page.ids]) + b"]"
        else:
            body = orjson.dumps([collection.reduced(problem_id, fields) for problem_id in page.ids])
        if faults.shift_pages:
            collection.shift()
        return self._raw(body, page.status, page.headers)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        faults = self._world.faults
        asked_for = request.match_info["id"]
        if faults.by_id_status is not None or asked_for in faults.by_id_failing:
            raise _AnsweredError(faults.by_id_status or 500, "GET by id is out of order")
        absent = asked_for not in self._world.problems or faults.lacks(asked_for)
        if absent and faults.by_id_empty:
            return self._raw(b"[]")
        if absent and faults.lacks(asked_for):
            raise _AnsweredError(404, f"no service problem {asked_for}")
        problem_id = self._problem_id(request)
        fields = selection.parse(request.rel_url.raw_query_string).fields
        collection = self._world.collection
        shown = collection.body_before if faults.writes.take_stale() else collection.body
        body = shown(problem_id) if fields is None else orjson.dumps(collection.reduced(problem_id, fields))
        return self._raw(b"[" + body + b"]" if self._world.faults.array_by_id else body)

    async def _create(self, request: web.Request) -> web.StreamResponse:
        problem = self._writes.create(await self._object(request))
        headers = {"Location": self._world.collection.href(problem["id"])}
        if self._world.faults.writes.no_content:
            return web.Response(status=201, headers=headers)
        return self._raw(self._world.collection.body(problem["id"]), 201, headers)

    async def _patch(self, request: web.Request) -> web.StreamResponse:
        as_json_patch = "json-patch+json" in request.content_type
        body = await (self._body(request) if as_json_patch else self._object(request))
        problem_id = self._problem_id(request)
        self._writes.change(problem_id, body, request.content_type)
        if self._world.faults.writes.no_content:
            return web.Response(status=204)
        return self._raw(self._world.collection.body(problem_id))

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        self._world.end(self._problem_id(request))
        return web.Response(status=204)

    async def _write(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Let a write meet its fate."""
        writes = self._world.faults.writes
        fate = writes.fate(self._world.faults.dice)
        if fate == "done" and not writes.accept:
            return await self._answer(request, handler)
        await request.read()
        if fate == "lose_answer":
            await self._answer(request, handler)
        elif fate == "late" or writes.accept:
            self._writes.later(partial(self._answer, request, handler), self._tasks)
        if fate == "done":
            return web.Response(status=202)
        return self._abort(request)

    # Tasks and event records

    async def _task(self, request: web.Request) -> web.StreamResponse:
        task = await self._object(request)
        try:
            done = self._world.perform(request.match_info["task"], task)
        except KeyError as error:
            raise _AnsweredError(404, f"no service problem {error.args[0]}") from error
        except ValueError as error:
            raise _AnsweredError(400, str(error)) from error
        return self._json(done, 201)

    async def _list_tasks(self, request: web.Request) -> web.StreamResponse:
        done = list(self._world.tasks[request.match_info["task"]].values())
        return self._json(done, headers={"X-Total-Count": str(len(done)), "X-Result-Count": str(len(done))})

    async def _get_task(self, request: web.Request) -> web.StreamResponse:
        done = self._world.tasks[request.match_info["task"]].get(request.match_info["id"])
        if done is None:
            raise _AnsweredError(404, "no such task")
        return self._json(done)

    async def _event_records(self, request: web.Request) -> web.StreamResponse:
        """Answer the (empty) list of events from other systems: nobody tells this server anything."""
        selection.parse(request.rel_url.raw_query_string)
        return self._json([], headers={"X-Total-Count": "0", "X-Result-Count": "0"})

    # Hub

    async def _register(self, request: web.Request) -> web.StreamResponse:
        hub, faults = self._world.hub, self._world.faults
        self._require_hub()
        body = await self._object(request)
        callback, query = body.get("callback"), body.get("query")
        if not isinstance(callback, str) or urlsplit(callback).scheme not in ("http", "https"):
            raise _AnsweredError(400, "callback must be an http or https URL")
        if faults.hub_conflict and hub.subscriptions:
            raise _AnsweredError(409, "only one listener is supported: delete the present one first")
        subscription = hub.register(callback, query if isinstance(query, str) else None)
        headers = {"Location": self._hub_href(subscription)}
        if faults.hub_answer == 204:
            return web.Response(status=204, headers=headers)
        return self._json(self._said(subscription), faults.hub_answer, headers)

    async def _unregister(self, request: web.Request) -> web.StreamResponse:
        self._require_hub()
        if not self._world.hub.unregister(request.match_info["id"]):
            raise _AnsweredError(404, "no such subscription")
        return web.Response(status=204)

    async def _list_hubs(self, _request: web.Request) -> web.StreamResponse:
        self._require_hub(readable=True)
        return self._json([self._said(subscription) for subscription in self._world.hub.subscriptions.values()])

    async def _get_hub(self, request: web.Request) -> web.StreamResponse:
        self._require_hub(readable=True)
        subscription = self._world.hub.subscriptions.get(request.match_info["id"])
        if subscription is None:
            raise _AnsweredError(404, "no such subscription")
        return self._json(self._said(subscription))

    def _require_hub(self, *, readable: bool = False) -> None:
        absent = self._world.faults.hub_absent_status()
        if absent is not None:
            raise _AnsweredError(absent, "this server has no hub")
        if readable and not self._world.faults.hub_readable:
            raise _AnsweredError(405, "subscriptions cannot be read", {"Allow": "POST"})

    def _said(self, subscription: SimulatorSubscription) -> Json:
        said: Json = {"id": subscription.id, "callback": subscription.callback, "query": subscription.query}
        return said if self._world.version != "5" else said | {"href": self._hub_href(subscription), "@type": "Hub"}

    def _hub_href(self, subscription: SimulatorSubscription) -> str:
        return f"{self._world.collection.base_url}/hub/{subscription.id}"

    # OAuth 2.0

    async def _token(self, request: web.Request) -> web.StreamResponse:
        """Exchange client credentials (in the form, or as Basic) for the token."""
        credentials, form = self._credentials, await request.post()
        in_form = (form.get("client_id"), form.get("client_secret")) == (credentials.username, credentials.password)
        as_basic = request.headers.get("Authorization") == f"Basic {credentials.basic()}"
        if credentials.token is None or not (in_form or as_basic):
            return self._json({"error": "invalid_client"}, 401)
        if form.get("grant_type") != "client_credentials":
            return self._json({"error": "unsupported_grant_type"}, 400)
        return self._json({"access_token": credentials.token, "token_type": "Bearer", "expires_in": 3600})
