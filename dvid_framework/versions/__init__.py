"""Versions: the DAG of a repo, which version's value a read sees, and views and transactions over a store."""
