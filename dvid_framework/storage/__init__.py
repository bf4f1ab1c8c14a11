"""Ordered bytes to bytes: stores, engines, keys and the envelope of a value. Knows nothing of versions."""
