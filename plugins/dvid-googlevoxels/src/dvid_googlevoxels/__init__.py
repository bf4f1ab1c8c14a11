"""The datatype `googlevoxels`: volumes of Google BrainMaps by proxy."""
