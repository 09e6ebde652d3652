"""QualityScorer: how complete, valid and consistent each row is, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import pyarrow as pa

from arrowetl.arguments import flag
from arrowetl.errors import ConfigError, SchemaError, closest, did_you_mean
from arrowetl.observing import SEEN, SET_APART, Observer
from arrowetl.rules import CONSISTENCY, VALIDITY, Rule, as_rules, broken, words
from arrowetl.rules import broken_names as names_sql
from arrowetl.rules import broken_reasons as reasons_sql
from arrowetl.sql import INPUT, literal, name
from arrowetl.stage import Rows, Scope, SQLStage, require
from arrowetl.transforms._arguments import refuse_taken
from arrowetl.transforms._arguments import words as column_words
from arrowetl.transforms._quality_summary import Summary
from arrowetl.transforms._wanted import refuse_twins

COMPLETENESS = "completeness"
WEIGHTS: Mapping[str, float] = {COMPLETENESS: 0.4, VALIDITY: 0.4, CONSISTENCY: 0.2}

_OWN = "arrowetl:"
_MASK = f"{_OWN}mask{{}}"
_CRITERION = f"{_OWN}{{}}"


@dataclass(frozen=True)
class QualityScorer(SQLStage):
    """Score each row from 0 to 1 by its completeness, validity and consistency.

    - *Completeness* is the share of the columns that have a value; a column may count more than
      another.
    - *Validity* is the share of the rules on single columns that the row keeps: ranges, formats,
      values there may be, uniqueness. A null keeps all but `not_null`.
    - *Consistency* is the share of the predicates across columns that it keeps.

    The score is their weighted mean; one without any rules is left out of it:

    ``score = (w_c * completeness + w_v * validity + w_k * consistency) / (w_c + w_v + w_k)``

    A row of four columns with one null (completeness 3/4), which keeps two of three rules of equal
    weight (validity 2/3) and the only predicate (consistency 1), has with the usual weights
    ``(0.4 * 3/4 + 0.4 * 2/3 + 0.2 * 1) / (0.4 + 0.4 + 0.2) = 0.767``.

    All rules are one SQL expression, evaluated once a row; a rule `unique` needs all rows. The
    result's summary says for each column how many values are missing, and for each rule how many
    rows break it, with the first different values as samples.

    Args:
        rules: a list of `Rule`, of mappings with a rule's options, or of SQL predicates.
        weights: of the criteria, by name; those that aren't named keep theirs.
        columns: which count for completeness, or how much each counts; all equally if None.
        min_score: the least score of a good row.
        filter_low_quality: whether rows below `min_score` are rejected: they go to the dead
            letters as they were, with their score and what is wrong as the reason.
        score_column: what the column with the score is called.
        criteria: whether there is a column for each criterion, too, called
            ``<score_column>_completeness`` and so on.
        broken_column: a column with the list of the names of the rules that a row breaks; none if
            None.
        samples: how many broken values a rule's line of the summary shows.

    Raises:
        ConfigError: an option makes no sense.

    >>> from arrowetl.testing import run_stage
    >>> people = pa.table({
    ...     "name": ["Ada", None], "mail": ["ada@example.com", "bob(at)example.com"],
    ...     "born": [1815, 1900], "died": [1852, 1890],
    ... })
    >>> scorer = QualityScorer(
    ...     rules=[Rule("mail", format="email"), "died >= born"], broken_column="broken"
    ... )
    >>> scored = run_stage(scorer, people)
    >>> scored["quality_score"].to_pylist(), scored["broken"].to_pylist()
    ([1.0, 0.3], [[], ['mail is email', 'died >= born']])
    """

    _: KW_ONLY
    rules: Sequence[Rule | Mapping[str, Any] | str] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    columns: str | Sequence[str] | Mapping[str, float] | None = None
    min_score: float | None = None
    filter_low_quality: bool = False
    score_column: str = "quality_score"
    criteria: bool = False
    broken_column: str | None = None
    samples: int = 5

    rows = Rows.SAME

    def __post_init__(self) -> None:
        """Check the options."""
        object.__setattr__(self, "rules", as_rules(self.rules, where="QualityScorer"))
        weights = {**WEIGHTS, **_weights(self.weights, WEIGHTS)}
        if not sum(weights.values()):
            raise ConfigError("QualityScorer: every weight is 0; nothing would count")
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "columns", _columns(self.columns))
        for option in ("filter_low_quality", "criteria"):
            flag(getattr(self, option), option, where="QualityScorer")
        if self.filter_low_quality and self.min_score is None:
            raise ConfigError("QualityScorer: filter_low_quality needs min_score, the least score")
        least = self.min_score
        if least is not None and not (_is_number(least) and 0 <= least <= 1):
            raise ConfigError(f"QualityScorer: min_score is from 0 to 1, not {least!r}")
        if not isinstance(self.samples, int) or not _is_number(self.samples) or self.samples < 0:
            raise ConfigError(f"QualityScorer: samples is a number from 0, not {self.samples!r}")
        self._check_added()

    def _check_added(self) -> None:
        named = {"score_column": self.score_column, "broken_column": self.broken_column or "none"}
        for option, column in named.items():
            if not (isinstance(column, str) and column):
                raise ConfigError(f"QualityScorer: {option} is a column's name, not {column!r}")
        refuse_twins(self._added, where="QualityScorer")

    def __hash__(self) -> int:
        """Equal stages have equal hashes."""
        return hash((self.rules, self.min_score, self.filter_low_quality, self.score_column))

    @property
    def scope(self) -> Scope:
        """A row by itself, unless values have to be unique."""
        return Scope.STREAM if any(rule.unique for rule in self._rules) else Scope.ROW

    @property
    def sets_apart(self) -> bool:
        """Rows of low quality are rejected, with their score."""
        return self.filter_low_quality

    @property
    def _rules(self) -> tuple[Rule, ...]:
        return as_rules(self.rules, where=self.label)

    def observer(self, schema: pa.Schema) -> Observer:
        """Give what counts broken rules, missing values and scores."""
        return Summary(schema.names, self._rules, self.min_score, self.samples)

    def bind(self, schema: pa.Schema) -> pa.Schema:
        """Give the schema with the score, and what else is wanted.

        Raises:
            SchemaError: a rule doesn't fit its column, or a name is taken.
        """
        for rule in self._rules:
            rule.require(schema, where=self.label)
        require(schema, self._counted(schema), where=self.label)
        if not self._counted(schema):
            raise SchemaError("there are no columns to be complete", where=self.label)
        instead = "say score_column= or broken_column="
        refuse_taken(self._added, schema, where=self.label, instead=instead)
        own = next((each for each in schema.names if each.lower().startswith(_OWN)), None)
        if own is not None:
            raise SchemaError(
                f"column {own!r} has a name that arrowetl keeps for itself; Rename it before",
                where=self.label,
                column=own,
            )
        return super().bind(schema)

    @property
    def _added(self) -> list[str]:
        extra = [f"{self.score_column}_{each}" for each in WEIGHTS] if self.criteria else []
        return [self.score_column, *extra, *([self.broken_column] if self.broken_column else [])]

    def select(self, schema: pa.Schema) -> str:
        """Give three SELECTs in one another: the masks, the criteria, the score."""
        rules, given = self._rules, names_of(schema)
        masks = [name(_MASK.format(at)) for at in range(len(words(rules)))]
        masked = "".join(
            f", {each} AS {mask}" for each, mask in zip(broken(rules), masks, strict=True)
        )
        parts = self._criteria(schema, masks)
        measured = "".join(f", {sql} AS {_criterion(each)}" for each, sql in parts.items())
        # Windows lose the order of rows.
        ordered = any(rule.unique for rule in rules)
        numbered = f", row_number() OVER () AS {_ROW}" if ordered else ""
        inner = f"SELECT *{masked} FROM (SELECT *{numbered} FROM {INPUT})"
        scored = f"SELECT *{measured}, {self._score(parts)} AS {_SCORE} FROM ({inner})"
        wanted = [given, f"{_SCORE} AS {name(self.score_column)}"]
        if self.criteria:
            wanted += [
                f"{_criterion(each) if each in parts else 'NULL::DOUBLE'} "
                f"AS {name(f'{self.score_column}_{each}')}"
                for each in WEIGHTS
            ]
        if self.broken_column:
            wanted.append(f"{names_sql(rules, masks)} AS {name(self.broken_column)}")
        seen = ", ".join(f"'m{at}': {mask}" for at, mask in enumerate(masks))
        wanted.append(f"{{'score': {_SCORE}{', ' if seen else ''}{seen}}} AS {name(SEEN)}")
        if self.filter_low_quality:
            wanted.append(f"{self._apart(rules, masks)} AS {name(SET_APART)}")
        return f"SELECT {', '.join(wanted)} FROM ({scored})" + (
            f" ORDER BY {_ROW}" if ordered else ""
        )

    def _criteria(self, schema: pa.Schema, masks: Sequence[str]) -> dict[str, str]:
        """Give the SQL of each criterion that something can be said of."""
        counted = self._counted(schema)
        found = {COMPLETENESS: _share({f"{name(c)} IS NOT NULL": w for c, w in counted.items()})}
        for criterion in (VALIDITY, CONSISTENCY):
            kept = {
                (mask, bit): rule.weight
                for word, mask in zip(words(self._rules), masks, strict=True)
                for bit, rule in enumerate(word)
                if rule.criterion == criterion
            }
            if kept:
                found[criterion] = _share_kept(kept)
        return found

    def _score(self, parts: Mapping[str, str]) -> str:
        weights = {each: self.weights[each] for each in parts if self.weights[each]}
        if not weights:
            raise SchemaError(
                f"only {', '.join(parts)} can be told, and its weight is 0: give rules, or another "
                "weight",
                where=self.label,
            )
        total = math.fsum(weights.values())
        summed = " + ".join(f"{literal(w)} * {_criterion(each)}" for each, w in weights.items())
        return f"round(({summed}) / {literal(total)}, 12)"

    def _apart(self, rules: Sequence[Rule], masks: Sequence[str]) -> str:
        why = reasons_sql(rules, masks)
        reason = (
            f"'quality ' || round({_SCORE}, 3) || ' is below ' || {literal(self.min_score)} || "
            f"coalesce(': ' || nullif({why}, ''), ': values are missing')"
        )
        fields = f"{{'code': 'low_quality', 'reason': {reason}, 'column': NULL::VARCHAR}}"
        return f"CASE WHEN {_SCORE} < {literal(float(self.min_score or 0))} THEN {fields} END"

    def _counted(self, schema: pa.Schema) -> dict[str, float]:
        if self.columns is None:
            return dict.fromkeys(schema.names, 1.0)
        return dict(self.columns)  # type: ignore[arg-type]  # pairs, since it was checked


_SCORE = name("arrowetl:score")
_ROW = name("arrowetl:row")


def names_of(schema: pa.Schema) -> str:
    """Give the columns as a SELECT lists them."""
    return ", ".join(map(name, schema.names))


def _criterion(each: str) -> str:
    return name(_CRITERION.format(each))


def _share(kept: Mapping[str, float]) -> str:
    """Give the SQL of the weighted share of predicates that are true."""
    total = math.fsum(kept.values())
    if len(set(kept.values())) == 1:
        counted = " + ".join(f"({test})::INTEGER" for test in kept)
        return f"({counted}) / {len(kept)}"
    summed = " + ".join(
        f"CASE WHEN {t} THEN {literal(float(w))} ELSE 0 END" for t, w in kept.items()
    )
    return f"least(({summed}) / {literal(total)}, 1.0)"


def _share_kept(kept: Mapping[tuple[str, int], float]) -> str:
    """Give the SQL of the weighted share of rules, by mask and bit, that are kept."""
    if len(set(kept.values())) > 1:
        return _share({f"{mask} & {1 << bit}::UBIGINT = 0": w for (mask, bit), w in kept.items()})
    bits: dict[str, int] = {}
    for mask, bit in kept:
        bits[mask] = bits.get(mask, 0) | 1 << bit
    counted = " + ".join(
        f"bit_count({mask} & {some}::UBIGINT)::INTEGER" for mask, some in bits.items()
    )
    return f"({len(kept)} - ({counted})) / {len(kept)}"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _weights(given: Mapping[str, float], known: Mapping[str, float]) -> dict[str, float]:
    if not isinstance(given, Mapping):
        raise ConfigError(f"QualityScorer: weights is numbers by criterion, not {given!r}")
    for each, weight in given.items():
        if each not in known:
            hint = did_you_mean(closest(str(each), known))
            raise ConfigError(f"QualityScorer: no criterion {each!r}{hint}")
        if not (_is_number(weight) and 0 <= weight < math.inf):
            raise ConfigError(f"QualityScorer: weight {weight!r} of {each} isn't a number from 0")
    return {each: float(weight) for each, weight in given.items()}


def _columns(
    given: Sequence[Any] | Mapping[str, float] | None,
) -> tuple[tuple[str, float], ...] | None:
    if given is None:
        return None
    if isinstance(given, Mapping):
        pairs = tuple(given.items())
    elif isinstance(given, tuple) and all(isinstance(each, tuple) for each in given):
        pairs = tuple(given)  # as it was kept
    else:
        pairs = tuple((each, 1.0) for each in column_words(given, where="QualityScorer"))
    for column, weight in pairs:
        if not (_is_number(weight) and 0 < weight < math.inf):
            raise ConfigError(
                f"QualityScorer: column {column!r} counts {weight!r}, which isn't a number above 0"
            )
    if not pairs:
        raise ConfigError("QualityScorer: columns is empty; leave it out for all columns")
    return pairs
