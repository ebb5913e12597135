"""Regular expressions as Envoy and Kuma read them: RE2's syntax, which is Python's without what needs backtracking."""

from __future__ import annotations

import re

_BACKTRACKING = re.compile(r"\(\?(?:[=!>(]|<[=!]|P=)|\\[1-9]")
_POSSESSIVE = re.compile(r"(?<!\\)(?:[*+?]|\{\d+(?:,\d*)?\})\+")
_NESTED = re.compile(r"(?<!\\)(?:[*+?]|\{\d+(?:,\d*)?\})[*+]")
_RENAMED = (("(?<", "(?P<"), (r"\z", r"\Z"))
"""Spellings of RE2 that Python has in another form."""

_LITERAL = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]])*\]", re.DOTALL)


def pattern_error(pattern: str) -> str:
    """Why a text is no regular expression, in the words of Go's parser; empty when it is one."""
    bare = _LITERAL.sub(lambda match: match[0] if match[0][:2] in _ESCAPES else "x", pattern)
    if match := _BACKTRACKING.search(bare):
        what = "invalid escape sequence" if match[0].startswith("\\") else "invalid or unsupported Perl syntax"
        return f"error parsing regexp: {what}: `{match[0]}`"
    if match := _POSSESSIVE.search(bare) or _NESTED.search(bare):
        return f"error parsing regexp: invalid nested repetition operator: `{match[0]}`"
    try:
        re.compile(_spelled_for_python(pattern))
    except re.error as error:
        return f"error parsing regexp: {_translate(error, pattern)}"
    return ""


_ESCAPES = frozenset(f"\\{digit}" for digit in "123456789")


def _spelled_for_python(pattern: str) -> str:
    for theirs, ours in _RENAMED:
        pattern = pattern.replace(theirs, ours)
    return pattern


def _translate(error: re.error, pattern: str) -> str:
    text, position = error.msg, error.pos or 0
    if text.startswith("unterminated character set"):
        return f"missing closing ]: `{pattern[position:]}`"
    if text.startswith(("missing ), unterminated subpattern", "missing )")):
        return f"missing closing ): `{pattern}`"
    if text.startswith("unbalanced parenthesis"):
        return f"unexpected ): `{pattern}`"
    if text.startswith(("nothing to repeat", "multiple repeat")):
        return f"missing argument to repetition operator: `{pattern[position : position + 1]}`"
    if text.startswith("bad escape (end of pattern)"):
        return "trailing backslash at end of expression: ``"
    if text.startswith("bad escape"):
        return f"invalid escape sequence: `{pattern[position : position + 2]}`"
    if text.startswith("bad character range"):
        return f"invalid character class range: `{text.removeprefix('bad character range ')}`"
    return f"{text}: `{pattern[position:]}`"
