"""The datatype labelmap: versioned volumes of labels in compressed blocks, at several scales."""

__version__ = "0.1.0"
