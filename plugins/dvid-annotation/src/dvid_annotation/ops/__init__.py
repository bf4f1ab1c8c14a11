"""The operations on annotations: no HTTP here."""
