"""The testing kit: fixtures, contracts, models and fault harnesses for the core and for authors of plugins.

Installed with the core; pytest and hypothesis are needed only here. The pytest plugin `dvid` brings the fixtures.
"""
