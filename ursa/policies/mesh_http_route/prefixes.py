"""Which filters of MeshHTTPRoutes replace prefixes: what becomes routes needs to know, and what warns of mistakes."""

from __future__ import annotations

from collections.abc import Mapping

from ursa.model.json import JsonObject


def new_prefixes(rule: JsonObject) -> Mapping[str, str]:
    """By what filters replace the prefix of paths, by the place of the filter's path below the rule."""
    found = {}
    for index, conf in enumerate((rule.get("default") or {}).get("filters") or ()):
        for name in ("urlRewrite", "requestRedirect"):
            path: JsonObject = (conf.get(name) or {}).get("path") or {}
            if path.get("type") == "ReplacePrefixMatch":
                found[f"default.filters[{index}].{name}.path.replacePrefixMatch"] = (
                    path.get("replacePrefixMatch") or "/"
                )
    return found
