"""Which type the texts of a column should have, with what speaks for it and against it."""

from __future__ import annotations

from collections.abc import Sequence

from arrowetl.profiling.profile import TypeFound
from arrowetl.profiling.readings import BOOLEAN, DECIMAL, DOUBLE, INTEGER, READINGS, TIMED, Reading
from arrowetl.profiling.texts import Texts

_RARE = 0.001
"""A share of texts below which they are taken for mistakes."""
_LONGEST = 38
_SCALE = 9
_ORDER = {each.name: n for n, each in enumerate((BOOLEAN, *TIMED, INTEGER, DECIMAL, DOUBLE))}


def types_of(texts: Texts) -> tuple[TypeFound, ...]:
    """Give every type as which some of the texts can be read, the likeliest first.

    Of types that as many texts have, the narrowest is first: integers before decimals.
    """
    counts = dict(texts.readings)
    if DOUBLE.name in counts:
        counts[DOUBLE.name] -= texts.traits["digits_lost"]
    found = [
        TypeFound(
            _type(READINGS[each], texts),
            counts[each],
            texts.meant,
            READINGS[each].format,
            _notes(READINGS[each], texts),
        )
        for each in sorted(counts, key=lambda each: (-counts[each], _ORDER[each]))
    ]
    return tuple(each for each in found if each.count)


def inferred(
    types: Sequence[TypeFound],
    texts: Texts,
    *,
    confidence: float,
    day_first: bool | None,
    different: int,
) -> TypeFound | None:
    """Give the type that the texts should be cast to; None if they should stay texts.

    Args:
        types: what `types_of` gave.
        texts: the texts.
        confidence: the share of texts that have to have the type.
        day_first: whether days come before months where nothing tells; None to stay with text.
        different: how many different texts there are.
    """
    likely = [each for each in types if each.confidence >= confidence]
    for each in likely:
        if _spoken_against(each, texts) or (each.type == "bool" and different < 2):  # noqa: PLR2004
            continue
        twin = _twin(each, likely)
        if twin is None or twin.count != each.count:
            return each
        if day_first is not None:
            day = each if str(each.format).startswith("%d") else twin
            return day if day_first else (twin if day is each else each)
        if different > 1 or each.count > 1:
            return None
    return None


def ambiguous(types: Sequence[TypeFound]) -> TypeFound | None:
    """Give the type of dates whose days and months can't be told apart; None if there is none."""
    best = types[0] if types else None
    twin = _twin(best, types) if best else None
    return best if best and twin and twin.count == best.count else None


def _twin(found: TypeFound, types: Sequence[TypeFound]) -> TypeFound | None:
    """Give the type with day and month the other way round, if it was found, too."""
    if found.format is None or found.format[:2] not in {"%d", "%m"}:
        return None
    swapped = found.format.translate(str.maketrans("dm", "md"))
    return next((each for each in types if each.format == swapped), None)


def _spoken_against(found: TypeFound, texts: Texts) -> bool:
    if found.type not in {"int64", "double"} and not found.type.startswith("decimal"):
        return False
    return bool(_codes(texts) or (_is_rounded(texts) and not _is_exact(texts, found)))


def _is_exact(texts: Texts, found: TypeFound) -> bool:
    """Say whether a type that isn't a double's has the digits of all numbers."""
    return found.type != DOUBLE.type and _decimal(texts) is not None


def _is_rounded(texts: Texts) -> bool:
    """Say whether doubles would be other numbers, of more texts than mistakes are."""
    return texts.traits["digits_lost"] > _RARE * texts.meant


def _codes(texts: Texts) -> tuple[str, ...]:
    """Say why digits are codes and not numbers."""
    notes = []
    zeros, powers = texts.traits["leading_zeros"], texts.traits["scientific"]
    if zeros > _RARE * texts.meant:
        notes.append(f"{zeros:,} have leading zeros, as codes have and numbers haven't")
    if powers and texts.traits["long_integers"]:
        notes.append(
            f"{powers:,} look like 5.54E+15 among long whole numbers: codes that a spreadsheet "
            "took for numbers, whose last digits are lost"
        )
    return tuple(notes)


def _type(reading: Reading, texts: Texts) -> str:
    if reading is not DECIMAL:
        return reading.type
    after = texts.widths.get("after", 0)
    return (_decimal(texts) if after <= _SCALE or texts.traits["digits_lost"] else None) or (
        DOUBLE.type
    )


def _decimal(texts: Texts) -> str | None:
    """Give the decimal that has all digits of all numbers; None if there is none."""
    before, after = texts.widths.get("before", 0), texts.widths.get("after", 0)
    digits = max(before + after, 1)
    return f"decimal128({digits}, {after})" if digits <= _LONGEST else None


def _notes(reading: Reading, texts: Texts) -> tuple[str, ...]:
    if reading in {INTEGER, DECIMAL, DOUBLE}:
        return (*_codes(texts), *_rounding(reading, texts))
    swapped = _twin_reading(reading)
    if swapped is None:
        return ()
    mine, theirs = texts.readings[reading.name], texts.readings[swapped]
    if mine == theirs:
        return ("day and month can't be told apart: no value is over 12",)
    days = "first" if str(reading.format).startswith("%d") else "second"
    sure = texts.traits["day_over_12" if days == "first" else "month_over_12"]
    other = texts.traits["month_over_12" if days == "first" else "day_over_12"]
    notes = [f"{sure:,} of {mine:,} have a day over 12 in the {days} place"]
    if other:
        notes.append(f"{other:,} have it the other way round")
    return tuple(notes)


def _rounding(reading: Reading, texts: Texts) -> tuple[str, ...]:
    """Say how many numbers a double would round."""
    lost = texts.traits["digits_lost"]
    if not lost or (reading is not DOUBLE and _decimal(texts)):
        return ()
    return (f"{lost:,} have more digits than a double keeps, or are beyond it",)


def _twin_reading(reading: Reading) -> str | None:
    if reading.format is None or reading.format[:2] not in {"%d", "%m"}:
        return None
    kind = reading.name.removesuffix(reading.format)
    swapped = kind + reading.format.translate(str.maketrans("dm", "md"))
    return swapped if swapped in READINGS else None
