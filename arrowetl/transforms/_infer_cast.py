"""Texts cast to the types that were inferred from them; what doesn't fit is rejected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.profiling.profile import Profile, TypeFound
from arrowetl.profiling.readings import (
    DECIMAL,
    DOUBLE,
    EXACT,
    READINGS,
    Reading,
    is_null_word,
    trimmed,
)
from arrowetl.sql import INPUT, literal, name
from arrowetl.stage import Rejection, Rows, SQLStage

_MARK = b"arrowetl:inferred"
"""The key under which a field's metadata say what its texts should become."""
_NEVER = Rejection(code="cast", where="false", reason="''")
"""Keeps the stage's place in the plan until the types are known."""


def marked(schema: pa.Schema, profile: Profile) -> pa.Schema:
    """Write into the metadata of fields of text what they should be cast to."""
    return pa.schema(
        [
            _marked(field, found.inferred) if found.inferred else field
            for field in schema
            for found in [profile.column(field.name)]
        ],
        metadata=schema.metadata,
    )


def _marked(field: pa.Field, found: TypeFound) -> pa.Field:
    wanted = f"{found.type}|{found.format or ''}".encode()
    return field.with_metadata({**(field.metadata or {}), _MARK: wanted})


@dataclass(frozen=True)
class InferredCast(SQLStage):
    """Cast the texts that the stage before marked; `SchemaInferrer(cast=True)` adds it.

    Words that mean null become null. Cells that can't be read go to the dead letters.
    """

    rows = Rows.SAME

    @property
    def label(self) -> str:
        """What it is of the stage that users write."""
        return "SchemaInferrer, cast"

    def select(self, schema: pa.Schema) -> str:
        """Give a SELECT with the casts."""
        casts = [
            f"CASE WHEN NOT {is_null_word(trimmed(name(field.name)))} "
            f"THEN {reading.value(trimmed(name(field.name)))} END AS {name(field.name)}"
            for field, reading in _readings(schema)
        ]
        return f"SELECT * REPLACE ({', '.join(casts)}) FROM {INPUT}" if casts else _ALL

    def rejections(self, schema: pa.Schema) -> Sequence[Rejection]:
        """Give a rejection a column, for texts that can't be read as its type."""
        found = []
        for field, reading in _readings(schema):
            column, text = name(field.name), trimmed(name(field.name))
            found.append(
                Rejection(
                    code="cast",
                    where=f"{column} IS NOT NULL AND NOT {is_null_word(text)} "
                    f"AND ({reading.value(text)}) IS NULL",
                    reason=f"left({column}, 80) || {literal(f' is no {_called(reading)}')}",
                    column=field.name,
                )
            )
        return found or [_NEVER]


def _called(reading: Reading) -> str:
    """Give what people call the values of a reading."""
    if reading.format is None:
        return reading.type
    kind = "date" if reading.type.startswith("date") else "date-time"
    return f"{kind} written as {reading.format}"


_ALL = f"SELECT * FROM {INPUT}"


def _readings(schema: pa.Schema) -> list[tuple[pa.Field, Reading]]:
    marks = [(field, (field.metadata or {}).get(_MARK)) for field in schema]
    return [(field, _reading(mark.decode())) for field, mark in marks if mark]


def _reading(mark: str) -> Reading:
    type_, _, format_ = mark.partition("|")
    found = TypeFound(type_, 0, 0)
    if kinds.is_decimal(found.arrow):
        scale, digits = found.arrow.scale, found.arrow.precision
        return replace(
            DECIMAL,
            type=type_,
            # A cast would round what has more digits.
            shape=rf"[+-]?[0-9]*\.[0-9]{{0,{scale}}}0*|[+-]?[0-9]+",
            cast=f"TRY_CAST({{}} AS DECIMAL({digits}, {scale}))",
        )
    if type_ == DOUBLE.type:
        return EXACT
    return next(
        each
        for each in READINGS.values()
        if each.type == type_ and (each.format or "") == format_ and each is not DECIMAL
    )
