"""Labels ranked by how many annotations of each kind they hold: the datatype `labelsz`."""
