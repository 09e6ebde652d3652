"""The numerics of the stages that compare and learn: arrays in, arrays out, no pipeline."""
