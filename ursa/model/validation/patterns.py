"""Regular expressions as Envoy and Kuma read them: RE2's syntax, which is Python's without what needs backtracking.

Python's own compiler is the judge, of the pattern in Python's spelling; what only Python knows is looked for before.
"""

from __future__ import annotations

import re

_PIECE = re.compile(
    r"(?P<quote>\\Q.*?(?:\\E|\Z))"
    r"|(?P<property>\\[pP](?:\{\^?\w+\}|\w))"
    r"|(?P<escape>\\.)"
    r"|(?P<set>\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\])"
    r"|(?P<flags>\(\?[imsU-]+[:)])"
    r"|(?P<named>\(\?P?<(?=\w))",
    re.DOTALL,
)
_POSIX = re.compile(r"\[:\^?\w+:\]|\\[pP](?:\{\^?\w+\}|\w)")
_LOOK = re.compile(r"\(\?(?:[=!>(#]|<[=!]|P[=>])")
_TWICE = re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\})[*+]")


def pattern_error(pattern: str) -> str:
    """Why a text is no regular expression, in the words of Go's parser; empty when it is one."""
    for piece in _PIECE.finditer(pattern):
        if piece["escape"] and piece["escape"][1] in "123456789":
            return f"error parsing regexp: invalid escape sequence: `{piece['escape']}`"
    bare = _PIECE.sub(_without_operators, pattern)
    if match := _LOOK.search(bare):
        return f"error parsing regexp: invalid or unsupported Perl syntax: `{match[0]}`"
    if match := _TWICE.search(bare):
        return f"error parsing regexp: invalid nested repetition operator: `{match[0]}`"
    try:
        re.compile(_PIECE.sub(_spelled_for_python, pattern))
    except re.error as error:
        return f"error parsing regexp: {_translate(error, pattern)}"
    return ""


def _without_operators(piece: re.Match[str]) -> str:
    """Something harmless for a piece in which nothing is an operator."""
    return "(" if piece["flags"] or piece["named"] else "x"


def _spelled_for_python(piece: re.Match[str]) -> str:
    text = piece[0]
    if piece["quote"]:
        return re.escape(text.removeprefix("\\Q").removesuffix("\\E"))
    if piece["property"]:
        return "x"
    if piece["set"]:
        opening = "[^" if text.startswith("[^") else "["
        return opening + _POSIX.sub("x", text[len(opening) : -1]).replace("[", "\\[") + "]"
    if piece["flags"]:
        return "(?:" if text.endswith(":") else ""
    if piece["named"]:
        return "(?P<"
    return {"\\z": "\\Z", "\\C": "."}.get(text, text)


def _translate(error: re.error, pattern: str) -> str:
    text, position = error.msg, error.pos or 0
    if text.startswith("unterminated character set"):
        return f"missing closing ]: `{pattern[position:]}`"
    if text.startswith("missing )"):
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
