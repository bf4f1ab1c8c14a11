"""What the plugin contributes: the datatype labelsz."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from dvid_framework.api import BadRequest, Datatype, Instances, Repo, hookimpl
from dvid_labelsz.instance import LabelSizeInstance
from dvid_labelsz.model import LabelSizeSettings
from dvid_labelsz.region import find_region
from dvid_labelsz.routes import ROUTES

__all__ = ["LabelSize", "dvid_datatypes"]


class LabelSize(Datatype):
    """Labels ranked by how many annotations of each kind they hold.

    Sync it with an annotation that is synced with a segmentation: `{"sync": "synapses"}`. From then on every change of
    elements and of labels changes the counts, in its version; `reload` counts what was there before.

    Types: PreSyn, PostSyn, Gap and Note count the elements of that kind; AllSyn is PreSyn, PostSyn and Gap together;
    Voxels is always 0. Settings of a new instance: ROI (`NAME,UUID`; only elements in that region count, as it is at
    that version, which is best a committed one).
    """

    name = "labelsz"
    url = "github.com/janelia-flyem/dvid/datatype/labelsz"
    version = "0.1"
    instance = LabelSizeInstance
    settings = LabelSizeSettings
    routes = ROUTES
    follows = ("annotation",)

    @classmethod
    def parse_settings(cls, config: Mapping[str, Any]) -> LabelSizeSettings:
        """Make the settings of a new instance.

        Raises:
            BadRequest: ROI is no `NAME,UUID`.
        """
        roi = config.get("roi", "")
        if not isinstance(roi, str) or (roi and roi.count(",") != 1):
            raise BadRequest(f"ROI must be a name and a UUID, as in NAME,UUID, and not {str(roi)[:60]!r}")
        return LabelSizeSettings(roi)

    @classmethod
    def check_settings(cls, settings: msgspec.Struct, repo: Repo, instances: Instances) -> None:
        """Refuse a region that the repo doesn't have.

        Raises:
            BadRequest: there is none.
        """
        assert isinstance(settings, LabelSizeSettings)
        if settings.roi:
            find_region(repo, instances, settings.roi)


@hookimpl
def dvid_datatypes() -> Iterable[type[Datatype]]:
    """Give out the datatype."""
    return [LabelSize]
