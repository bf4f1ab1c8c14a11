"""A distributed, versioned, image-oriented dataservice: the core without any datatype."""

__version__ = "0.1.0"
