"""Which policies meet which proxies, as Kuma's tool prints what the older inspection calls answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Document = Mapping[str, Any]

SERVICE = "kuma.io/service"


def proxies_of_policy(document: Document) -> Iterator[str]:
    """Lines about `…/{policy}/dataplanes`."""
    yield "Affected data plane proxies:"
    yield ""
    for item in document.get("items") or ():
        if item.get("kind") == "MeshGatewayDataplane":
            yield f"  {item['gateway']['name']}:"
            yield from _listeners(item.get("listeners") or ())
            yield ""
            continue
        name, attachments = item["dataplane"]["name"], item.get("attachments") or ()
        if [a.get("type") for a in attachments] == ["dataplane"]:
            yield f"  {name}"
            continue
        yield f"  {name}:"
        for attachment in attachments:
            yield f"    {_attachment(attachment)}"
        yield ""


def policies_of_proxy(document: Document) -> Iterator[str]:
    """Lines about `…/dataplanes/{name}/policies`."""
    if document.get("kind") == "MeshGatewayDataplane":
        yield "MESHGATEWAY:"
        yield from _policies(document.get("policies") or {}, "  ")
        yield ""
        for listener in document.get("listeners") or ():
            yield f"LISTENER ({listener.get('protocol')}:{listener.get('port')}):"
            yield from _hosts(listener)
            yield ""
        return
    for item in document.get("items") or ():
        yield f"{_attachment(item).upper() if item.get('type') == 'dataplane' else _place(item)}:"
        yield from _policies(item.get("matchedPolicies") or {}, "  ")
        yield ""


def _attachment(attachment: Document) -> str:
    """`inbound 1.2.3.4:80:80(web)`, `service web`, `dataplane`."""
    kind, name = attachment.get("type", ""), attachment.get("name", "")
    if kind in ("inbound", "outbound"):
        return f"{kind} {name}({attachment.get('service', '')})"
    return f"{kind} {name}" if name else str(kind)


def _place(item: Document) -> str:
    kind, rest = _attachment(item).split(" ", 1)
    return f"{kind.upper()} {rest}"


def _listeners(listeners: Sequence[Document]) -> Iterator[str]:
    for listener in listeners:
        yield f"    listener ({listener.get('protocol')}:{listener.get('port')}):"
        for host in listener.get("hosts") or ():
            yield f"      {host.get('hostName')}:"
            for route in host.get("routes") or ():
                yield f"        {route.get('route')}:"
                for destination in route.get("destinations") or ():
                    yield f"          service {(destination.get('tags') or destination).get(SERVICE, '')}"


def _hosts(listener: Document) -> Iterator[str]:
    for host in listener.get("hosts") or ():
        yield f"  {host.get('hostName')}:"
        for route in host.get("routes") or ():
            yield f"    ROUTE {route.get('route')}:"
            for destination in route.get("destinations") or ():
                yield f"      SERVICE {(destination.get('tags') or {}).get(SERVICE, '')}:"
                yield from _policies(destination.get("policies") or {}, "        ")


def _policies(matched: Document, indent: str) -> Iterator[str]:
    """Kinds and, below each, the names of its policies: one, or a list of several."""
    for kind in sorted(matched):
        yield f"{indent}{kind}"
        found = matched[kind]
        for policy in found if isinstance(found, list) else [found]:
            yield f"{indent}  {policy.get('name', '')}"
