"""`/openapi.json`: what we serve, for people, generators and the test that tries every part of it (OpenAPI 3.1)."""

from typing import Any

from aiohttp import web

from bridge import __version__


async def openapi(_: web.BaseRequest) -> web.StreamResponse:
    """Answer with the description."""
    return web.json_response(DOCUMENT)


def _response(description: str, content: dict[str, Any] | None = None, **headers: str) -> dict[str, Any]:
    response: dict[str, Any] = {"description": description}
    if content is not None:
        response["content"] = content
    if headers:
        response["headers"] = {
            name.replace("_", "-"): {"description": text, "schema": {"type": "string"}}
            for name, text in headers.items()
        }
    return response


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _object(required: list[str], **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


_TEXT: dict[str, Any] = {"type": "string"}
_ERROR = {"$ref": "#/components/schemas/Error"}
_ERRORS = {
    "400": "The body is not a JSON object, or is incomplete",
    "401": "HTTP basic or a bearer token is needed (callback_username, callback_token)",
    "403": "The address, the client certificate or the signature is another than the configured one",
    "404": "No such source, or another secret",
    "408": "The body took too long",
    "409": "This signed request has been accepted before",
    "410": "The secret has been replaced: register at the new callback",
    "413": "The body is too large",
    "429": "More than callback_rate_per_second",
    "503": "It cannot be stored now: send it again",
}


def _problem(status: str, text: str) -> dict[str, Any]:
    headers = {}
    if status in ("429", "503"):
        headers["Retry_After"] = "Seconds"
    if status == "401":
        headers["WWW_Authenticate"] = "What is needed"
    return _response(text, _json(_ERROR), **headers)


_SOURCE = {
    "name": "source",
    "in": "path",
    "required": True,
    "description": "Name of the source in the configuration",
    "schema": {"type": "string", "pattern": "^[a-z0-9_-]+$"},
}
_SECRET = {
    "name": "secret",
    "in": "path",
    "required": True,
    "description": "The secret of the callback",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{22,200}$"},
}
_EVENT = {
    "name": "event",
    "in": "path",
    "required": True,
    "description": "Name of the event, as in serviceProblemStateChangeEvent; a hint for bodies that do not say",
    "schema": {"type": "string", "minLength": 1},
}


def _notify(summary: str, *more: dict[str, Any]) -> dict[str, Any]:
    return {
        "summary": summary,
        "description": "Answered once the event is durable. More than the secret may be demanded: see 401, 403.",
        "parameters": [_SOURCE, _SECRET, *more],
        "requestBody": {
            "required": True,
            "description": "A TMF656 event of any version. What is not understood is kept, and accepted.",
            "content": _json({"type": "object"}),
        },
        "responses": {
            "201": _response("Stored (sources of versions 2 to 4)", _json({"type": "object", "maxProperties": 0})),
            "204": _response("Stored (sources of version 5)"),
            **{status: _problem(status, text) for status, text in _ERRORS.items()},
        },
    }


def _greet(*more: dict[str, Any]) -> dict[str, Any]:
    origin = {
        "name": "WebHook-Request-Origin",
        "in": "header",
        "required": True,
        "schema": {"type": "string", "pattern": "^[!-~]+$"},
    }
    return {
        "summary": "Validation handshake of CloudEvents (callback_handshakes)",
        "description": "With the handshake `get` a source's callback answers GET and HEAD, too.",
        "parameters": [_SOURCE, _SECRET, *more, origin],
        "responses": {
            "200": _response("You may post here", Allow="POST", WebHook_Allowed_Origin="As asked for"),
            "405": _response("This source does no handshake", _json(_ERROR), Allow="POST"),
            **{status: _problem(status, _ERRORS[status]) for status in ("400", "403", "404", "410", "503")},
        },
    }


def _page(summary: str, **responses: dict[str, Any]) -> dict[str, Any]:
    return {"get": {"summary": summary, "responses": {name.lstrip("_"): one for name, one in responses.items()}}}


DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "tmf656-bridge",
        "version": __version__,
        "description": "Takes notifications of TMF656 servers; shows its state. With http.metrics_port set, everything "
        "but /listener is served on that port only.",
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    },
    "paths": {
        "/": _page(
            "What this is",
            _200=_response(
                "A signpost",
                _json(
                    _object(
                        ["program", "version", "paths"],
                        program=_TEXT,
                        version=_TEXT,
                        paths={"type": "array", "items": _TEXT},
                    )
                ),
            ),
        ),
        "/livez": _page(
            "The event loop responds", _200=_response("It does", _json(_object(["live"], live={"const": True})))
        ),
        "/readyz": _page(
            "Schema, database and jobs are fine",
            _200=_response("They are", _json({"$ref": "#/components/schemas/Condition"})),
            _503=_response("`missing` says what is not", _json({"$ref": "#/components/schemas/Condition"})),
        ),
        "/metrics": _page(
            "Metrics for Prometheus",
            _200=_response("Text exposition", {"text/plain": {"schema": _TEXT}}),
            _401=_problem("401", "http.metrics_token is needed"),
            _503=_problem("503", "Not now, with several workers: their parent does not answer"),
        ),
        "/stream": _page(
            "Every change as it is committed, as server-sent events",
            _200=_response("Until one side ends it", {"text/event-stream": {"schema": _TEXT}}),
            _400=_problem("400", "No such source or status, or no Last-Event-ID of ours"),
            _401=_problem("401", "http.stream_token is needed"),
            _404=_problem("404", "http.stream_token is not set"),
            _503=_problem("503", "Not now: send it again"),
        ),
        "/openapi.json": _page("This description", _200=_response("OpenAPI 3.1", _json({"type": "object"}))),
        "/listener/{source}/{secret}": {"post": _notify("The registered callback"), "options": _greet()},
        "/listener/{source}/{secret}/listener/{event}": {
            "post": _notify("The same, as some servers call it", _EVENT),
            "options": _greet(_EVENT),
        },
    },
    "components": {
        "schemas": {
            "Error": _object(["code", "reason", "message"], code=_TEXT, reason=_TEXT, message=_TEXT),
            "Condition": _object(
                ["ready", "state", "missing"],
                ready={"type": "boolean"},
                state={"enum": ["ready", "degraded", "starting", "stopping", "unavailable"]},
                missing={"type": "array", "items": _TEXT},
            ),
        }
    },
}
"""What stands in README about HTTP, for machines."""
