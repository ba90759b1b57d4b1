"""One vector-environment interface over simulators."""
