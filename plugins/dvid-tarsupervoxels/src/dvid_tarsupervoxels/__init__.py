"""The datatype tarsupervoxels: blobs, one for each supervoxel, and those of a body as a tar."""
