"""Geometry, tiling, images and down-sampling of 3d volumes."""
