"""What the datatypes that come with the service tell: as `mutations` shows it, and what is told alone."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import pytest

from dvid_framework.config import Config, KafkaSettings
from dvid_framework.testing.client import Client
from dvid_framework.testing.pytest_plugin import ServerFactory

if TYPE_CHECKING:
    from broker import Broker

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
SIDE = 64


@pytest.fixture
def client(broker: Broker, dvid_server: ServerFactory) -> Client:
    return dvid_server(config=Config(kafka=KafkaSettings(servers=[broker.address]))).client


def told(broker: Broker, client: Client, root: str, name: str, count: int) -> list[dict[str, Any]]:
    data_uuid = client.json(f"/api/node/{root}/{name}/info")["Base"]["DataUUID"]
    return [json.loads(one.value()) for one in broker.consume(f"dvidrepo-{root}-data-{data_uuid}", count)]


def test_keyvalue_tells_its_entries_without_users(broker: Broker, client: Client) -> None:
    root = client.new_repo()
    client.new_instance(root, "keyvalue", "kv")
    client.post(f"/api/node/{root}/kv/key/a?u=ann", b"value").ok()
    client.delete(f"/api/node/{root}/kv/key/a").ok()
    posted, deleted = told(broker, client, root, "kv", 2)
    assert [posted, deleted] == client.json(f"/api/node/{root}/kv/mutations")
    assert set(posted) == {"Action", "Bytes", "Key", "Timestamp", "UUID"}
    assert (posted["Action"], deleted["Action"]) == ("postkv", "delete")


def test_labelmap_tells_merges_twice_and_new_labels_alone(broker: Broker, client: Client) -> None:
    root = client.new_repo()
    client.new_instance(root, "labelmap", "seg")
    half = SIDE**3 // 2
    voxels = struct.pack("<Q", 1) * half + struct.pack("<Q", 2) * half
    client.post(f"/api/node/{root}/seg/raw/0_1_2/{SIDE}_{SIDE}_{SIDE}/0_0_0", voxels).ok()
    client.post(f"/api/node/{root}/seg/merge?u=ann&app=test", [1, 2]).ok()
    assert client.post(f"/api/node/{root}/seg/merge", [1, 77]).status == 400
    client.post(f"/api/node/{root}/seg/nextlabel/5").ok()
    first, second, labels = told(broker, client, root, "seg", 3)
    assert [second] == client.json(f"/api/node/{root}/seg/mutations")
    assert first == {**second, "Action": "merge"}
    assert (second["Action"], second["Target"], second["Labels"]) == ("merge-complete", 1, [2])
    assert (second["User"], second["App"]) == ("ann", "test")
    assert (labels["Action"], labels["Start Label"], labels["End Label"]) == ("post-nextlabel", 3, 7)


def test_neurons_and_files_of_supervoxels_tell_what_was_done_and_nothing_that_was_refused(
    broker: Broker, client: Client
) -> None:
    root = client.new_repo()
    client.new_instance(root, "neuronjson", "nj")
    client.new_instance(root, "tarsupervoxels", "ts", Extension="dat")
    assert client.post(f"/api/node/{root}/nj/key/7?u=ann", b'{"bodyid":8}').status == 400
    client.post(f"/api/node/{root}/nj/key/7?u=ann", b'{"bodyid":7,"a":1}').ok()
    client.delete(f"/api/node/{root}/nj/key/7").ok()
    client.post(f"/api/node/{root}/nj/keyvalues?u=ann", b'\x0a\x12\x0a\x018\x12\x0d{"bodyid": 8}').ok()
    posted, deleted, ingested = told(broker, client, root, "nj", 3)
    assert (ingested["Action"], ingested["Key"], ingested["Bytes"]) == ("ingestneuronjson", "8", 13)
    assert (posted["Action"], posted["Key"], posted["Bytes"]) == ("postneuronjson", "7", 18)
    assert (posted["User"], posted["UUID"]) == ("ann", root)
    assert (deleted["Action"], deleted["Key"]) == ("deleteneuronjson", "7")
    assert client.post(f"/api/node/{root}/ts/load", b"junk").status == 400
    client.post(f"/api/node/{root}/ts/supervoxel/5?u=ann", b"mesh").ok()
    (stored,) = told(broker, client, root, "ts", 1)
    assert [stored] == client.json(f"/api/node/{root}/ts/mutations")
    assert (stored["Action"], stored["Supervoxel"], stored["Bytes"], stored["User"]) == ("post", 5, 4, "ann")


def test_annotations_tell_what_was_done_and_what_labels_did_to_them(broker: Broker, client: Client) -> None:
    root = client.new_repo()
    client.new_instance(root, "labelmap", "seg")
    client.new_instance(root, "annotation", "syn")
    syn = f"/api/node/{root}/syn"
    client.post(f"{syn}/sync", {"sync": "seg"}).ok()
    element = {"Pos": [1, 2, 3], "Kind": "PreSyn"}
    client.post(f"{syn}/elements?u=ann", [element]).ok()
    half = SIDE**3 // 2
    voxels = struct.pack("<Q", 1) * half + struct.pack("<Q", 2) * half
    client.post(f"/api/node/{root}/seg/raw/0_1_2/{SIDE}_{SIDE}_{SIDE}/0_0_0", voxels).ok()
    client.json(f"{syn}/label/1")  # waits until the annotation has taken it in: it may take several changes as one
    client.post(f"/api/node/{root}/seg/merge", [2, 1]).ok()
    client.json(f"{syn}/label/2")
    client.post(f"{syn}/move/1_2_3/1_2_40").ok()
    client.delete(f"{syn}/element/1_2_40?kafkalog=off").ok()
    client.post(f"{syn}/elements?kafkalog=off", [element]).ok()
    client.delete(f"{syn}/element/1_2_3?u=bob").ok()
    posted, ingested, merged, moved, deleted = told(broker, client, root, "syn", 5)
    assert [one["Action"] for one in (posted, ingested, merged, moved, deleted)] == [
        "element-post",
        "ingest-block",
        "merge",
        "element-move",
        "element-delete",
    ]
    assert client.get(f"/api/node/{root}/syn/blobstore/{posted['DataRef']}").ok().json() == [element]
    assert (posted["User"], posted["UUID"]) == ("ann", root)
    assert ingested["Delta"] == {"Add": [{"Label": 1, "Kind": "PreSyn", "Pos": [1, 2, 3]}], "Del": None}
    assert merged["Delta"] == {
        "Add": [{"Label": 2, "Kind": "PreSyn", "Pos": [1, 2, 3]}],
        "Del": [{"Label": 1, "Kind": "PreSyn", "Pos": [1, 2, 3]}],
    }
    assert merged["MutationID"] == client.json(f"/api/node/{root}/seg/mutations")[-1]["MutationID"]
    assert (moved["From"], moved["To"]) == ([1, 2, 3], [1, 2, 40])
    assert (deleted["Point"], deleted["User"]) == ([1, 2, 3], "bob")
    assert not any(key.startswith("_") for one in (posted, ingested, merged, moved, deleted) for key in one)
