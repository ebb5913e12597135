"""Remembering what a pure function made of its inputs.

The key is the only argument the function gets, so nothing else can have influenced the value. With `check` every hit
is computed again and compared, which finds inputs that are hidden or changed in place; tests run with it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memo(Generic[K, V]):
    """Values of `function` for the keys used last."""

    def __init__(self, function: Callable[[K], V], *, size: int, check: bool = False) -> None:
        self._function, self._size, self._check = function, size, check
        self._values: OrderedDict[K, V] = OrderedDict()
        self.misses = 0
        """How often the function had to be called: the measure of work done."""

    def __call__(self, key: K) -> V:
        """The value for this key."""
        if key in self._values:
            self._values.move_to_end(key)
            value = self._values[key]
            if self._check and self._function(key) != value:
                raise AssertionError(f"{self._function.__name__} gave two values for one key")
            return value
        self.misses += 1
        value = self._values[key] = self._function(key)
        if len(self._values) > self._size:
            self._values.popitem(last=False)
        return value
