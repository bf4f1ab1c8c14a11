"""Instances: making, finding, and asking them by interface."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from dvid_framework.errors import BadRequest, NotInstalled
from dvid_framework.instances.datatype import Datatype
from dvid_framework.instances.instance import Instance
from dvid_framework.instances.interfaces import BlockMask
from dvid_framework.storage.base import Capability
from dvid_framework.testing.core import Core, memory_opener
from dvid_framework.testing.store_contract import run_threads
from dvid_framework.testing.tiny import Tiny
from dvid_framework.versions.record import VersionRecord
from dvid_framework.versions.repo import Repo


class MaskInstance(Instance):
    """Everything is inside."""

    def mask_block_size(self) -> tuple[int, int, int]:
        return 32, 32, 32

    def block_mask(self, version: VersionRecord, first: tuple[int, int, int], count: tuple[int, int, int]) -> bytes:
        del version, first
        return b"\x01" * (count[0] * count[1] * count[2])


class Mask(Datatype):
    """A mask."""

    name = "mask"
    instance = MaskInstance
    provides = (BlockMask,)


class Demanding(Datatype):
    """Needs more than memory has."""

    name = "demanding"
    instance = Instance
    needs = Capability.DURABLE


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    core = Core(tmp_path, memory_opener(), {kind.name: kind for kind in (Tiny, Mask, Demanding)})
    yield core
    core.close()


@pytest.fixture
def repo(core: Core) -> Repo:
    return core.repos.create()


def test_an_instance_is_one_object_for_all(core: Core, repo: Repo) -> None:
    made = core.instance(repo, "t")
    found: list[Instance] = []
    run_threads(*[lambda: found.append(core.instances.get(repo, "t"))] * 8)
    assert all(instance is made for instance in found)
    assert list(core.instances) == [made]


def test_of_many_at_once_one_instance_of_a_name_is_made(core: Core, repo: Repo) -> None:
    made, refused = list[str](), list[str]()

    def work() -> None:
        try:
            body = {"typename": "tiny", "dataname": "t"}
            made.append(core.instances.create(repo, repo.dag.root, body).record.data_uuid)
        except BadRequest as error:
            refused.append(error.message)

    run_threads(*[work] * 6)
    assert len(made) == 1
    assert len(refused) == 5
    assert len(repo.instances) == 1


def test_the_same_name_in_two_repos_is_two_instances(core: Core, repo: Repo) -> None:
    other = core.repos.create()
    one, two = core.instance(repo, "t"), core.instance(other, "t")
    with one.begin(repo.dag.root) as txn:
        txn.put(b"a", b"1")
    with two.view(other.dag.root) as view:
        assert view.get(b"a") is None


def test_info_is_the_same_for_all_types(core: Core, repo: Repo) -> None:
    info = core.instance(repo, "t", compression="gzip", tags="k=v").info(repo.dag.root)
    assert list(info) == ["Base", "Extended"]
    base = info["Base"]
    assert (base["TypeName"], base["Name"], base["RepoUUID"]) == ("tiny", "t", repo.root)
    assert (base["Compression"], base["Checksum"]) == ("gzip compression, level -1", "No checksum")
    assert (base["Versioned"], base["Tags"], base["Syncs"]) == (True, {"k": "v"}, [])
    assert "/" not in base["KVStore"]


def test_creation_is_told_in_the_repos_log(core: Core, repo: Repo) -> None:
    core.instance(repo, "t", width="5")
    assert 'New data instance "t" of type "tiny"' in repo.record.log[-1]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"typename": "nothing", "dataname": "x"}, "mask, tiny"),
        ({"typename": "tiny", "dataname": "x", "width": "0"}, "width"),
        ({"typename": "demanding", "dataname": "x"}, "lacks"),
        ({"dataname": "x"}, "typename"),
    ],
)
def test_what_cannot_be_made_is_refused_and_leaves_nothing(
    core: Core, repo: Repo, body: dict[str, str], said: str
) -> None:
    with pytest.raises(BadRequest, match=said):
        core.instances.create(repo, repo.dag.root, body)
    assert repo.instances == {}
    assert repo.record.log == []


def test_an_unknown_name_is_refused(core: Core, repo: Repo) -> None:
    with pytest.raises(BadRequest, match="invalid data instance name 'x'"):
        core.instances.get(repo, "x")


def test_another_type_is_asked_by_its_interface(core: Core, repo: Repo) -> None:
    core.instances.create(repo, repo.dag.root, {"typename": "mask", "dataname": "m"})
    core.instance(repo, "t")
    mask = core.instances.provider(repo, "m", BlockMask)  # type: ignore[type-abstract]
    assert mask.block_mask(repo.dag.root, (0, 0, 0), (2, 1, 1)) == b"\x01\x01"
    with pytest.raises(BadRequest, match="can't serve as a BlockMask"):
        core.instances.provider(repo, "t", BlockMask)  # type: ignore[type-abstract]


def test_data_of_a_type_that_is_gone_is_kept_and_told(tmp_path: Path) -> None:
    opener = memory_opener()
    core = Core(tmp_path, opener)
    repo = core.repos.create()
    with core.instance(repo, "t").begin(repo.dag.root) as txn:
        txn.put(b"a", b"1")
    core.close()
    without = Core(tmp_path, opener, {"mask": Mask})
    repo = next(iter(without.repos))
    with pytest.raises(NotInstalled, match="pip install dvid-tiny"):
        without.instances.get(repo, "t")
    assert without.instances.type_names_in_use() == {"tiny"}
    without.close()
    again = Core(tmp_path, opener)
    repo = next(iter(again.repos))
    with again.instances.get(repo, "t").view(repo.dag.root) as view:
        assert view.get(b"a") == b"1"
    again.close()


def test_settings_and_tags_are_there_after_a_restart(core: Core, repo: Repo) -> None:
    instance = core.instance(repo, "t", width="5")
    instance.save_tags({"k": "v"})
    instance.save_settings(msgspec.structs.replace(instance.settings, width=9))
    core.restart()
    repo = next(iter(core.repos))
    again = core.instances.get(repo, "t")
    assert again.settings.width == 9
    assert again.record.tags == {"k": "v"}
    assert again.info(repo.dag.root)["Base"]["Tags"] == {"k": "v"}
