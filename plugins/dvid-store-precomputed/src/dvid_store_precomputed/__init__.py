"""The store engine `ngprecomputed`: neuroglancer precomputed volumes as read-only scales of instances."""
