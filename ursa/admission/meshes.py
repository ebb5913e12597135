"""What a Mesh brings along: keys and policies of a new one, authorities when mTLS comes, rules of its change."""

from __future__ import annotations

import asyncio

from ursa.admission.authorities import Find, backend_violations, missing_builtin, new_builtin_secrets
from ursa.admission.initial_policies import initial_policies
from ursa.admission.refusals import Stage, refuse
from ursa.errors import Violation
from ursa.identity.signing_keys import FIRST_SERIAL, dataplane_key_prefix, new_dataplane_signing_key
from ursa.model.mesh import parse_mesh
from ursa.model.resource import Resource
from ursa.runtime.config.services import Defaults

MAX_NAME = 63
"""A mesh's name becomes one label of host names."""


async def check_new_mesh(mesh: Resource, find: Find) -> None:
    """Raises Refused when this Mesh cannot be created."""
    found = []
    if len(mesh.name) > MAX_NAME:
        found.append(Violation("name", f"cannot be longer than {MAX_NAME} characters"))
    refuse(Stage.CREATING, [*found, *await backend_violations(mesh, find)])


async def check_changed_mesh(before: Resource, after: Resource, find: Find) -> None:
    """Raises Refused when a Mesh cannot be changed like this."""
    found = []
    old, new = parse_mesh(before).backend, parse_mesh(after).backend
    if old is not None and new is not None and old.name != new.name:
        reason = "Changing CA when mTLS is enabled is forbidden. Disable mTLS first and then change the CA"
        found.append(Violation("mtls.enabledBackend", reason))
    refuse(Stage.UPDATING, [*found, *await backend_violations(after, find)])


async def companions_of_new(mesh: Resource, find: Find, now_ns: int, defaults: Defaults) -> list[Resource]:
    """Everything that is created together with a Mesh: signing key, authorities, initial policies.

    Objects that are there already (left by an earlier mesh of the name, or imported) are kept as they are.
    """
    made: list[Resource] = []
    key_name = f"{dataplane_key_prefix(mesh.name)}-{FIRST_SERIAL}"
    if await find("Secret", mesh.name, key_name) is None:
        made.append(await asyncio.to_thread(new_dataplane_signing_key, mesh.name))
    made += await missing_authorities(mesh, find, now_ns)
    for policy in initial_policies(mesh, defaults):
        if await find(policy.kind, policy.mesh, policy.name) is None:
            made.append(policy)
    return made


async def missing_authorities(mesh: Resource, find: Find, now_ns: int) -> list[Resource]:
    """Secrets of builtin backends that do not exist yet."""
    missing = await missing_builtin(mesh, find)
    return await asyncio.to_thread(new_builtin_secrets, mesh, missing, now_ns) if missing else []
