"""Data instances: what a datatype is, what an instance of one gets, and the registry of them."""
