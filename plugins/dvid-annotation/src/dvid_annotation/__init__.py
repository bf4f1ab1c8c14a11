"""Point annotations, found by place, by tag and by the label under them: the datatype `annotation`."""
