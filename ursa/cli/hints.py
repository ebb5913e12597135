"""What to do about an error, in one line below it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ursa.cli.failures import CommandFailed, ServerRefused, Unreachable

_BY_STATUS = {
    401: "the token is not good (any more); a new one comes from `ursactl generate user-token`",
    403: "see who the control plane takes you for: its /who-am-i; an administrator grants roles and access lists",
    404: "names are per mesh (-m) and per control plane (`ursactl config control-planes list`)",
    405: "objects of this type are written on another control plane, or writing is switched off here",
    409: "somebody else was faster, try again",
    412: "somebody else has changed the object, look at it again",
    415: "is this the API port of a control plane?",
    500: "the log of the control plane says more",
    502: "something between here and the control plane fails",
    503: "the control plane cannot do this now, try again later",
}
_BY_TEXT = (
    ("certificate verify failed", "give its authority with --ca-cert-file when the control plane is added"),
    ("error while reading", ""),
    ("invalid --scope values", "`cp` is one, too: such a token is for the control plane of a zone"),
    ("connection refused", "is it running? `ursactl config control-planes list` shows which one was asked"),
    ("name or service not known", "the host name in the address is not known here"),
    ("wrong version number", "the control plane does not speak TLS on this port: does its address begin with http://?"),
    ("without response", "if the control plane speaks TLS on this port, its address begins with https://"),
    ("page not found", "this call is not known there: is it a zone where a global is meant, or older than this tool?"),
    ("failed to retrieve mesh", "the mesh is not there: `ursactl get meshes` lists those that are"),
    (
        "signing key not found",
        "is the mesh there (`ursactl get meshes`)? A new one gets its key in a moment",
    ),
    ("there is no control plane with name", "`ursactl config control-planes list` shows those that are configured"),
    ("timed out", "it took longer than --api-timeout"),
    ("not valid yaml", "tabs, and colons in unquoted texts, are the usual reasons"),
    ("failed to validate", "nothing was sent"),
    ("origin label must be set", "a zone below a global only takes objects with label kuma.io/origin: zone"),
)


def hint_for(error: Exception) -> str:
    """The line, empty when there is nothing helpful to say."""
    found = _by_text(error)
    if not found and isinstance(error, ServerRefused):
        found = _BY_STATUS.get(error.status, "")
    if not found and isinstance(error, Unreachable):
        return "`ursactl config control-planes list` shows which control plane was asked"
    return found


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant, empty when none is near."""
    near = difflib.get_close_matches(word, list(known), 1)
    return near[0] if near else ""


def _by_text(error: Exception) -> str:
    notes = error.notes if isinstance(error, CommandFailed) else ()
    text = " ".join((str(error), *notes)).lower()
    return next((hint for part, hint in _BY_TEXT if part in text), "")
