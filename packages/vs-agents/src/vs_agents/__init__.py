"""Value-based RL agents as pure functions over pytrees."""
