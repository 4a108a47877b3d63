"""Values that cannot be changed: a frozen mapping and deep freezing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

K = TypeVar("K")
V = TypeVar("V", covariant=True)


class FrozenMap(Mapping[K, V]):
    """A mapping that nobody can change: hashable and picklable, which `MappingProxyType` is not.

    Iterates in the order in which it was filled; equality does not depend on order.

    Args:
        items: What it holds; copied.
    """

    __slots__ = ("_items",)

    _items: Mapping[K, V]

    def __init__(self, items: Mapping[K, V] | None = None) -> None:
        object.__setattr__(self, "_items", MappingProxyType(dict(items or {})))

    def __getitem__(self, key: K) -> V:
        return self._items[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __eq__(self, other: object) -> bool:
        return dict(self._items) == dict(other) if isinstance(other, Mapping) else NotImplemented

    def __repr__(self) -> str:
        return f"FrozenMap({dict(self._items)!r})"

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"A frozen map cannot be changed (setting {name}).")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"A frozen map cannot be changed (deleting {name}).")

    def __reduce__(self) -> tuple[Any, ...]:
        return (FrozenMap, (dict(self._items),))


def freeze(value: Any) -> Any:
    """A copy of a value in which nothing can be changed.

    Mappings become `FrozenMap`, lists, tuples and arrays become tuples, sets become frozensets,
    NumPy scalars become Python numbers; other values are returned as they are.

    Raises:
        TypeError: If a value is of a kind that can be changed and is none of these, or a
            mapping's key is no text.
    """
    if value is None or isinstance(value, (str, int, float, bool, bytes, datetime, date)):
        return value.item() if isinstance(value, np.generic) else value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        # Two keys may have one text (1 and "1"), and only one of them would be left.
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"The key {key!r} is no text; write it as text.")
        return FrozenMap({str(key): freeze(item) for key, item in value.items()})
    if isinstance(value, np.ndarray):
        return freeze(value.tolist())
    if isinstance(value, (list, tuple, Sequence)):
        return tuple(freeze(item) for item in value)
    if isinstance(value, AbstractSet):
        return frozenset(freeze(item) for item in value)
    try:
        hash(value)
    except TypeError:
        raise TypeError(f"A {type(value).__name__} cannot be frozen.") from None
    return value
