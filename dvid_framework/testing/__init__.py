"""The testing kit: fixtures, contracts, models and fault harnesses for the core and for authors of plugins.

Installed with the core; pytest and hypothesis are needed only here. The pytest plugin `dvid` brings the fixtures.
"""

from dvid_framework.config import Config, LimitSettings, ServerSettings
from dvid_framework.fsck import check
from dvid_framework.plugins import Plugins

__all__ = ["Config", "LimitSettings", "Plugins", "ServerSettings", "check"]
