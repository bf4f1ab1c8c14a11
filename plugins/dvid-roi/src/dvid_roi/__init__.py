"""Regions of interest, kept as runs of blocks: the datatype `roi`."""
