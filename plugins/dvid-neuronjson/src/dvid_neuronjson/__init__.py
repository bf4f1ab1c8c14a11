"""The datatype neuronjson: versioned annotations of neurons as JSON objects."""
