"""Train agents and write the run table."""
