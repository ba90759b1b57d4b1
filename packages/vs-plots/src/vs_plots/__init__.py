"""Figures of value scaling, from plain arrays."""
