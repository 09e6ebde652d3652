"""Contracts: what columns rows have, of which types, and which rules they keep."""

from __future__ import annotations

from arrowetl.contracts.contract import Contract as Contract
from arrowetl.contracts.contract import Field as Field
from arrowetl.contracts.modes import ENTITIES as ENTITIES
from arrowetl.contracts.modes import ContractMode as ContractMode
