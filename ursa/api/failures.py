"""Every error has one answer, made here: the table from Ursa's errors to Kuma's status codes, titles and details."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from ursa.admission.place import ReadOnlyHere
from ursa.admission.refusals import MeshNotFound, NotAsExpected, Refused, Stage
from ursa.api.answers import answer, plain
from ursa.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    InvalidResource,
    NotFound,
    Unauthenticated,
    Unavailable,
    UrsaError,
    Violation,
)
from ursa.store.contract import Unreadable

log = logging.getLogger(__name__)

TITLE = web.RequestKey("title", str)
"""What failed when this request fails; set when its endpoint is found."""

INVALID = "Resource is not valid"
_STAGES = {
    Stage.CREATING: "Failed to create a resource",
    Stage.UPDATING: "Failed to update a resource",
    Stage.RELABELLING: "Could not update a resource",
    Stage.DELETING: "Could not delete a resource",
}
_UNREADABLE = re.compile(r"invalid \w+ object: ")
"""How a text begins that says why a body could not be read; it stands alone."""

_CLIENT_GONE = 499


class Failure(UrsaError):
    """An error whose title or detail is not the usual one for its kind."""

    def __init__(self, status: int, title: str, detail: str, violations: tuple[Violation, ...] = ()) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.violations = status, title, detail, violations


@dataclass(frozen=True, slots=True)
class Problem:
    """The parts of an error object."""

    status: int
    title: str
    detail: str
    violations: tuple[Violation, ...] = ()

    def document(self) -> dict[str, Any]:
        """The error object; `details` and `causes` repeat the other members for old clients."""
        found: dict[str, Any] = {
            "type": "/std-errors",
            "status": self.status,
            "title": self.title,
            "detail": self.detail,
        }
        if self.violations:
            found["invalid_parameters"] = [{"field": v.field, "reason": v.reason} for v in self.violations]
        found["details"] = self.detail
        if self.violations:
            found["causes"] = [{"field": v.field, "message": v.reason} for v in self.violations]
        return found


def problem_of(error: UrsaError, title: str) -> Problem:
    """How an error is told to the caller; `title` says what failed."""
    text = str(error)
    match error:
        case Failure():
            return Problem(error.status, error.title, error.detail, error.violations)
        case Refused():
            return Problem(400, _STAGES[error.stage], INVALID, error.violations)
        case InvalidResource():
            return Problem(400, title, INVALID, error.violations)
        case BadRequest():
            detail = text if _UNREADABLE.match(text) else f"bad request: {text}"
            return Problem(400, "Bad Request", detail)
        case ReadOnlyHere():
            return Problem(405, "Method not allowed", text)
        case MeshNotFound():
            return Problem(404, "Failed to retrieve Mesh", "Not found")
        case NotFound():
            return Problem(404, title, "Not found")
        case NotAsExpected():
            return Problem(412, "Conflict", text)
        case Conflict():
            return Problem(409, "Conflict", text)
        case Forbidden():
            return Problem(403, "Access Denied", text)
        case Unauthenticated():
            return Problem(401, "Invalid authentication data", "Unauthenticated")
        case Unavailable():
            return Problem(503, title, text)
        case Unreadable():
            return Problem(500, title, text)
        case _:
            return Problem(500, title, "Internal Server Error")


@web.middleware
async def failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns what handlers and the router raise into answers; nothing a caller sends ends the process."""
    try:
        return await handler(request)
    except UrsaError as error:
        problem = problem_of(error, request.get(TITLE, "Could not process a request"))
        if problem.status >= 500:
            log.warning("request failed", extra={"path": request.path, "error": str(error)})
        return answer(problem.document(), status=problem.status)
    except web.HTTPException as error:
        return _router_answer(error)
    except ConnectionResetError:
        return plain(_CLIENT_GONE, "")
    except Exception:
        log.exception("request failed unexpectedly", extra={"method": request.method, "path": request.path})
        problem = Problem(500, request.get(TITLE, "Could not process a request"), "Internal Server Error")
        return answer(problem.document(), status=500)


def _router_answer(error: web.HTTPException) -> web.StreamResponse:
    """Plain text as Kuma's router writes it."""
    if isinstance(error, web.HTTPNotFound):
        return plain(404, "404: Page Not Found")
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = [m for m in ("PUT", "POST", "DELETE", "GET") if m in error.allowed_methods]
        return plain(405, "405: Method Not Allowed", {"Allow": ", ".join(allowed)})
    if isinstance(error, web.HTTPBadRequest):
        return web.Response(status=400)
    if error.status >= 400:
        return plain(error.status, f"{error.status}: {error.reason}")
    raise error
