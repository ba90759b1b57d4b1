"""Learning curves to monotone fits and threshold crossings, with bootstrap and censoring."""
