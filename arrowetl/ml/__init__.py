"""The numerics of the stages that compare and learn: arrays in, arrays out, no pipeline."""

LIMIT = 1_000_000_000
"""How many candidates are compared at most, unless somebody says otherwise: minutes of work."""
