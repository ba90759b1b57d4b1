"""Grids of cells: a spec, what it will cost, running it on this machine, how far it is."""
