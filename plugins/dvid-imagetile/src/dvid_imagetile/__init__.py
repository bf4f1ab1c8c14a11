"""The datatype `imagetile`: tiles of three planes at several scales."""
