"""Volumes of gray, colour and float voxels, as datatypes of dvid-framework."""
