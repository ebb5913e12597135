"""Who may connect: the rules of an RBAC filter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from ursa.ir.tls import SanMatcher


@dataclass(frozen=True, slots=True)
class AnyPrincipal:
    """Everybody."""


@dataclass(frozen=True, slots=True)
class NamedPrincipal:
    """A client one of whose URI names is `name`."""

    name: str


@dataclass(frozen=True, slots=True)
class NotPrincipal:
    """Everybody but these."""

    principal: Principal


@dataclass(frozen=True, slots=True)
class AllPrincipals:
    """A client that is all of these."""

    principals: tuple[Principal, ...]


Principal: TypeAlias = AnyPrincipal | NamedPrincipal | NotPrincipal | AllPrincipals


@dataclass(slots=True)
class PrincipalRules:
    """Policies by name: who is in one of them gets what `deny` says; with none, an allow list denies everybody."""

    policies: dict[str, tuple[Principal, ...]] = field(default_factory=dict)
    deny: bool = False


@dataclass(frozen=True, slots=True)
class MatcherRule:
    """Clients whose URI name fulfils one of `sans` are allowed or denied in the name of `policy`."""

    policy: str
    deny: bool
    sans: tuple[SanMatcher, ...]


@dataclass(slots=True)
class MatcherRules:
    """An ordered list, the first match decides; no match denies."""

    rules: tuple[MatcherRule, ...]


@dataclass(slots=True)
class Rbac:
    """Rules that count, and rules that are only logged and counted."""

    rules: PrincipalRules | MatcherRules
    shadow: PrincipalRules | MatcherRules | None = None
