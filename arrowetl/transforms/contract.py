"""EnforceContract: rows that break a contract are let through, mended, removed or set apart."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from arrowetl.contracts import ENTITIES, Contract, ContractMode
from arrowetl.contracts.modes import DEFAULTS, mode_of
from arrowetl.duck import stream_select
from arrowetl.errors import ConfigError, closest, did_you_mean
from arrowetl.observing import Observer, passed
from arrowetl.sql import INPUT, name
from arrowetl.stage import Rows, Scope, SQLStage, Stage
from arrowetl.transforms._contract_checks import NEW, REMOVED, Judgement
from arrowetl.transforms._contract_fit import CLOSED
from arrowetl.transforms._contract_summary import Summary

LABEL = "EnforceContract"


@dataclass(frozen=True)
class EnforceContract(Stage):
    """Hold rows to a contract: their columns, the types of these, and the rules that they keep.

    Each of the three has a mode. What a mode does:

    =============  ==========================  ============================  =======================
    mode           `columns`: one that the     `data_type`: a column has     `rules`: a row breaks
                   contract doesn't know       another type                  one
    =============  ==========================  ============================  =======================
    evolve         it is let through           it keeps the type in which    it is counted
                                               it came
    freeze         SchemaError, before a row   SchemaError, unless the type  the run ends; names the
                   is read                     widens losslessly: it is cast first row, and why
    discard_value  the column is dropped       cast; cells that don't fit    the cell becomes null
                                               become null
    discard_row    dropped; rows that have a   cast; rows with a cell that   the row is removed
                   value there are removed     doesn't fit are removed
    quarantine     dropped; such rows go to    cast; such rows go to the     the row goes to the
                   the dead letters            dead letters                  dead letters
    =============  ==========================  ============================  =======================

    - A column of the contract that doesn't arrive is an error with ``columns="freeze"``, and filled
      with nulls otherwise; where it isn't nullable, each row breaks that rule.
    - A value fits a type if nothing of it is lost: 1.0 is a whole number, 1.5 isn't. Texts are read
      if they are written as the type is: no zeros before a number, dates as in ISO 8601.
    - Types widen losslessly from whole numbers to larger ones, to decimals and floats that have all
      their digits, from decimals, floats and times to finer ones, and from dates to timestamps.
    - A null where the contract says `nullable: false` is a rule that is broken. A part of a struct
      has to be there only where the struct is.
    - Rules look at values in the contract's types, all at once. With `data_type="evolve"` a value
      that doesn't fit breaks none of them.
    - With ``rules="discard_value"`` rows are removed that a null can't mend: of columns that aren't
      nullable, and where predicates across columns are broken.
    - A row that is to be removed and to be set apart is set apart.
    - What is nested is held to the contract by its way: ``address.city``, ``tags[]``,
      ``orders[].price``; only the offending part of a row is dropped or becomes null.

    One SQL expression says of each row which checks it breaks; a rule `unique` needs all rows.
    Rows that go to the dead letters are as they came, and their reason names all that is wrong. The
    result's summary says what became of columns, and how many rows break each check.

    dlt's contracts have the modes, but for `quarantine` and `rules`, and discard rows without a
    word; pandera and Great Expectations have the rules.

    Args:
        contract: a `Contract`, or the path of its file.
        columns: the mode for columns; what the contract says if None, or `evolve`.
        data_type: the mode for types; what the contract says if None, or `freeze`.
        rules: the mode for rules; what the contract says if None, or `discard_row`.

    Raises:
        ConfigError: the contract or a mode is wrong.

    >>> from arrowetl.contracts import Contract, Field
    >>> from arrowetl.testing import run_stage
    >>> contract = Contract(
    ...     [Field("id", "int64", nullable=False), Field("age", "int64")],
    ...     rules=[{"column": "age", "range": (0, 130)}],
    ... )
    >>> people = pa.table({"id": [1, 2, None], "age": ["36", "none", "50"], "new": [1, 2, 3]})
    >>> stage = EnforceContract(contract, columns="discard_value", data_type="discard_value")
    >>> run_stage(stage, people).to_pydict()
    {'id': [1, 2], 'age': [36, None]}
    """

    contract: Contract | str | os.PathLike[str]
    _: KW_ONLY
    columns: ContractMode | str | None = None
    data_type: ContractMode | str | None = None
    rules: ContractMode | str | None = None

    def __post_init__(self) -> None:
        """Read the contract, and check the modes."""
        given = self.contract
        if isinstance(given, (str, os.PathLike)):
            object.__setattr__(self, "contract", Contract.read(Path(given)))
        elif not isinstance(given, Contract):
            raise ConfigError(f"{LABEL}: contract is a Contract or a path, not {given!r}")
        for entity in ENTITIES:
            mode = getattr(self, entity)
            if mode is not None:
                mode = mode_of(mode, where=f"{LABEL}: {entity}")
                object.__setattr__(self, entity, mode)

    @property
    def known(self) -> Contract:
        """The contract, as a value."""
        if not isinstance(self.contract, Contract):
            raise ConfigError(f"{LABEL}: the contract wasn't read")  # pragma: no cover
        return self.contract

    @property
    def modes(self) -> Mapping[str, ContractMode]:
        """The modes by entity: what is said here, or in the contract, or else the defaults."""
        return {
            entity: getattr(self, entity) or self.known.mode(entity) or default
            for entity, default in DEFAULTS.items()
        }

    @property
    def scope(self) -> Scope:
        """A row by itself, unless values have to be unique."""
        unique = any(rule.unique for rule in self.known.checks)
        return Scope.STREAM if unique else Scope.ROW

    @property
    def rows(self) -> Rows:
        """Rows may be removed."""
        return Rows.REMOVES

    @property
    def stages(self) -> tuple[Stage, ...]:
        """What says which checks rows break, and what keeps those that stay."""
        return Judge(self), Keep(self)

    def bind(self, schema: pa.Schema) -> pa.Schema:
        """Give the schema in which rows leave.

        Raises:
            SchemaError: columns or types differ, and are frozen; names them.
        """
        judge, keep = self.stages
        return keep.bind(judge.bind(schema))

    def process(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Judge the rows, and keep those that stay; rows that are set apart are left out."""
        judge, keep = self.stages
        yield from keep.process(judge.process(batches))


@dataclass(frozen=True)
class Judge(SQLStage):
    """Say of each row which checks of a contract it breaks, beside how its columns will be."""

    stage: EnforceContract

    rows = Rows.SAME

    @property
    def label(self) -> str:
        """The name of the whole."""
        return LABEL

    @property
    def scope(self) -> Scope:
        """As the whole."""
        return self.stage.scope

    @property
    def sets_apart(self) -> bool:
        """Whether rows are sent to the dead letters."""
        return ContractMode.QUARANTINE in self.stage.modes.values()

    def judgement(self, schema: pa.Schema) -> Judgement:
        """Give the contract as it is applied to a schema."""
        return Judgement(self.stage.known, self.stage.modes, schema, LABEL)

    def observer(self, schema: pa.Schema) -> Observer:
        """Give what counts, and ends the run where a broken rule is frozen."""
        judgement = self.judgement(schema)
        return Summary(tuple(judgement.notes), judgement.checks, where=LABEL)

    def select(self, schema: pa.Schema) -> str:
        """Give the SELECT."""
        return self.judgement(schema).select()

    def process(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Judge the rows; the first that breaks a frozen rule ends the run here, too."""
        observer: Observer | None = None

        def statement(schema: pa.Schema) -> str:
            nonlocal observer
            observer = self.observer(schema)
            return self.select(schema)

        for batch in stream_select(statement, batches):
            if observer is not None:
                observer.see(batch)
            yield passed(batch)


@dataclass(frozen=True)
class Keep(SQLStage):
    """Keep the rows that a contract lets through, with the columns that it leaves them."""

    stage: EnforceContract

    rows = Rows.REMOVES

    @property
    def label(self) -> str:
        """What it is of the whole."""
        return f"{LABEL}, kept"

    def select(self, schema: pa.Schema) -> str:
        """Give the SELECT."""
        known, closed = self.stage.known.columns, self.stage.modes["columns"] in CLOSED
        new = [each.removeprefix(NEW) for each in schema.names if each.startswith(NEW)]
        came = [each for each in schema.names if not each.startswith(NEW) and each != REMOVED]
        wanted = [
            f"{name(NEW + each)} AS {name(each)}" if each in new else name(each)
            for each in came
            if each in known or not closed
        ]
        wanted += [f"{name(NEW + each)} AS {name(each)}" for each in new if each not in came]
        removed = f" WHERE NOT {name(REMOVED)}" if REMOVED in schema.names else ""
        return f"SELECT {', '.join(wanted)} FROM {INPUT}{removed}"


def enforced(
    given: Contract | str | os.PathLike[str] | Mapping[str, Any], *, where: str
) -> Sequence[Stage]:
    """Give the stages that hold rows to a pipeline's contract.

    Args:
        given: a contract, the path of one, or a mapping of `contract` and modes.
        where: who asks, for errors.

    Raises:
        ConfigError: a mapping has no contract, or an unknown key.
    """
    if not isinstance(given, Mapping):
        return EnforceContract(given).stages
    known = ("contract", *ENTITIES)
    for key in given:
        if key not in known:
            hint = did_you_mean(closest(str(key), known))
            raise ConfigError(f"{where}: schema_contract has no {key!r}{hint}")
    if given.get("contract") is None:
        raise ConfigError(
            f"{where}: schema_contract has modes and no contract; learn one with "
            "`arrowetl profile FILE --contract contract.yaml`, and give its path as 'contract'"
        )
    return EnforceContract(**given).stages
