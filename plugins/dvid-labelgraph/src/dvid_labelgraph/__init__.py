"""The datatype labelgraph: weighted, undirected graphs of labels with properties."""
