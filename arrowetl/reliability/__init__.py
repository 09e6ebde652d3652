"""Dead letters, and what keeps a run honest."""
