"""The datatype keyvalue: a branched, versioned map from text keys to byte values."""
