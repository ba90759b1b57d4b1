"""Typed values out of a TOML table; what is wrong is one sentence with file, table and key."""

from typing import Any


class Table:
    """One table of a file; `done` refuses unknown keys."""

    def __init__(self, source: str, name: str, values: Any) -> None:
        """Wrap a table.

        Args:
            source: the file's name, for messages.
            name: the table's, as it is written there; empty for the top level.
            values: its content.
        """
        self._where = f"{source}: [{name}]" if name else f"{source}:"
        if not isinstance(values, dict):
            raise ValueError(f"{self._where} is {values!r}: expected a table")
        self._source, self._name, self._values = source, name, values

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def is_table(self, key: str) -> bool:
        """Tell whether a key holds a table."""
        return isinstance(self._values[key], dict)

    def names(self) -> list[str]:
        """Return the keys as they are written."""
        return list(self._values)

    def wrong(self, key: str, expected: str) -> ValueError:
        """Return the error that says what a key holds and should hold."""
        held = f"{key} = {self._values[key]!r}" if key in self._values else f"{key} is missing"
        return ValueError(f"{self._where} {held}: expected {expected}")

    def text(self, key: str) -> str:
        """Return a string."""
        value = self._take(key, "a text")
        if not isinstance(value, str):
            raise self.wrong(key, "a text")
        return value

    def integer(self, key: str, *, least: int = 1) -> int:
        """Return an integer of at least ``least``."""
        value = self._take(key, "an integer")
        if not _is_integer(value) or value < least:
            raise self.wrong(key, f"an integer of at least {least}")
        return value

    def number(self, key: str) -> float:
        """Return a positive number."""
        value = self._take(key, "a positive number")
        if not _is_positive(value):
            raise self.wrong(key, "a positive number")
        return float(value)

    def numbers(self, key: str) -> tuple[float, ...]:
        """Return a list of distinct positive numbers, one at least."""
        values = self._list(key, "distinct positive numbers")
        if not all(_is_positive(value) for value in values):
            raise self.wrong(key, "a list of distinct positive numbers")
        return tuple(float(value) for value in values)

    def integers(self, key: str) -> tuple[int, ...]:
        """Return a list of distinct positive integers, one at least."""
        values = self._list(key, "distinct positive integers")
        if not all(_is_integer(value) and value > 0 for value in values):
            raise self.wrong(key, "a list of distinct positive integers")
        return tuple(values)

    def table(self, key: str, *, quoted: bool = False) -> "Table":
        """Return a table inside this one; ``quoted`` is how its name is written in messages."""
        shown = f'"{key}"' if quoted else key
        name = f"{self._name}.{shown}" if self._name else shown
        value = self._take(key, "a table")
        return Table(self._source, name, value)

    def done(self, allowed: tuple[str, ...]) -> None:
        """Refuse keys that are not allowed here."""
        for key in self._values:
            if key not in allowed:
                raise ValueError(
                    f"{self._where} {key} is not known here: expected one of {', '.join(allowed)}"
                )

    def _take(self, key: str, expected: str) -> Any:
        if key not in self._values:
            raise self.wrong(key, expected)
        return self._values[key]

    def _list(self, key: str, of: str) -> list[Any]:
        values = self._take(key, f"a list of {of}")
        if not isinstance(values, list) or not values:
            raise self.wrong(key, f"a list of {of}")
        try:
            distinct = len(set(values)) == len(values)
        except TypeError:  # lists in the list
            distinct = False
        if not distinct:
            raise self.wrong(key, f"a list of {of}")
        return values


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and value is not True and 0 < value < float("inf")
