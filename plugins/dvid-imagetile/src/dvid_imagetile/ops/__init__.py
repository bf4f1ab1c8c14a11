"""The operations: tiles that are stored, images stitched from them, and the making of all from a volume."""
