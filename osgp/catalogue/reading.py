"""Reading of the catalogue's data files: every error is reported with its place."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple


class CatalogueError(ValueError):
    """A data file is wrong; the message says where."""


class Place:
    """A place in the files, named at the start of every error: file, tag or class, attribute or key."""

    def __init__(self, file: str, tag: str = "", attribute: str = "") -> None:
        self.file, self.tag, self.attribute = file, tag, attribute

    def narrow_to(self, attribute: str) -> "Place":
        return Place(self.file, self.tag, attribute)

    def make_error(self, complaint: str) -> CatalogueError:
        return CatalogueError(
            ": ".join(part for part in (self.file, self.tag, self.attribute, complaint) if part)
        )

    def check_table(self, value: object) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self.make_error(f"{value!r} is not a table")
        return value

    def check_keys(
        self, value: object, required: Sequence[str], optional: Sequence[str]
    ) -> Mapping[str, Any]:
        """Return ``value`` if it is a table with all required keys and no unknown ones."""
        table = self.check_table(value)
        for key in table:
            if key not in required and key not in optional:
                raise self.make_error(f"unknown key {key}")
        for key in required:
            if key not in table:
                raise self.make_error(f"lacks {key}")
        return table

    def check_integer(self, value: object, lowest: int, highest: int) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            raise self.make_error(f"{value!r} is not a number of {lowest}..{highest}")
        return value

    def check_text(self, value: object) -> str:
        if not isinstance(value, str) or not value:
            raise self.make_error(f"{value!r} is not text")
        return value

    def check_choice(self, value: object, choices: Sequence[str]) -> Any:
        if value not in choices:
            raise self.make_error(f"{value!r} is none of {', '.join(choices)}")
        return value

    def check_list(self, value: object) -> list[Any]:
        if not isinstance(value, list):
            raise self.make_error(f"{value!r} is not a list")
        return value

    def check_choices(self, value: object, choices: Sequence[str]) -> frozenset[Any]:
        chosen = [self.check_choice(item, choices) for item in self.check_list(value)]
        if not chosen or len(set(chosen)) != len(chosen):
            raise self.make_error("must list at least one, none of them twice")
        return frozenset(chosen)


class DataFile(NamedTuple):
    """The tables of a file, and the file's name in error texts."""

    name: str
    content: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path, name: str) -> "DataFile":
        """Read a file. Raises CatalogueError if it is not TOML."""
        try:
            return cls(name, tomllib.loads(path.read_text(encoding="utf-8")))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise CatalogueError(f"{name}: {error}") from None

    @property
    def place(self) -> Place:
        return Place(self.name)
