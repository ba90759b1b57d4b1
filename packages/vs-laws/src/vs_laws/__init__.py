"""Scaling laws for value-based RL: fit, predict, allocate, with uncertainty and verdicts."""
