"""One place that turns the few facts in which policies differ into a `Kind`.

All targetRef policies live in a mesh, travel in every direction over KDS and may be written everywhere; a policy's own
package states only its names, its lists and its rules of validation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ursa.errors import Violation
from ursa.model.codec import JsonSpec
from ursa.model.kind import Family, Kind, PolicyTraits, Scope, Sync, Writable
from ursa.model.resource import Resource
from ursa.model.schema import load_schema

Validate = Callable[[Resource], Sequence[Violation]]
Warn = Callable[[Resource], Sequence[str]]


def policy_kind(
    name: str,
    *,
    short: str,
    path: str,
    title: str,
    titles: str,
    traits: PolicyTraits,
    validate: Validate,
    warnings: Warn,
) -> Kind:
    """Declares a targetRef policy.

    Args:
        name: Kuma's type name.
        short: short name in KRIs.
        path: plural in URLs and of `ursactl get`.
        title: display name of one, `Mesh Timeout`.
        titles: display name of many.
        traits: which lists the spec has.
        validate: rules on top of the JSON schema.
        warnings: what the answer to a write warns of.
    """
    schema = load_schema(name)
    return Kind(
        name=name,
        path=path,
        scope=Scope.MESH,
        codec=JsonSpec(),
        family=Family.TARGETREF_POLICY,
        short=short,
        sync=Sync.DOWN | Sync.UP | Sync.ACROSS,
        writable=Writable.EVERYWHERE,
        policy=traits,
        schema=schema,
        validate=validate,
        warnings=warnings,
        cli=(name.lower(), path),
        singular=title,
        plural=titles,
        namespaced=True,
    )
