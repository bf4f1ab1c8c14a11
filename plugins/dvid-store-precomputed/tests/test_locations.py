"""What `ref` means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dvid_store_precomputed.locations import kvstore_spec


@pytest.mark.parametrize(
    ("ref", "spec"),
    [
        ("gs://bucket/a/b", {"driver": "gcs", "bucket": "bucket", "path": "a/b/"}),
        ("bucket/a/b/", {"driver": "gcs", "bucket": "bucket", "path": "a/b/"}),
        ("gs://bucket", {"driver": "gcs", "bucket": "bucket", "path": ""}),
        ("s3://bucket/a", {"driver": "s3", "bucket": "bucket", "path": "a/"}),
        (
            "s3://bucket?region=eu-west-1/a",
            {"driver": "s3", "bucket": "bucket", "path": "a/", "aws_region": "eu-west-1"},
        ),
        (
            "s3://bk?endpoint=127.0.0.1:8520&disableSSL=true&s3ForcePathStyle=true/vol",
            {
                "driver": "s3",
                "bucket": "bk",
                "path": "vol/",
                "endpoint": "http://127.0.0.1:8520",
                "aws_region": "us-east-1",
            },
        ),
        (
            "vast://store.lab/bucket/a",
            {
                "driver": "s3",
                "bucket": "bucket",
                "path": "a/",
                "endpoint": "https://store.lab",
                "aws_region": "us-east-1",
            },
        ),
        ("https://host:9/a/b", {"driver": "http", "base_url": "https://host:9", "path": "/a/b/"}),
        ("file:///data/vol", {"driver": "file", "path": "/data/vol/"}),
        ("file:vol", {"driver": "file", "path": "/etc/dvid/vol/"}),
    ],
)
def test_places(ref: str, spec: dict[str, Any]) -> None:
    assert kvstore_spec(ref, Path("/etc/dvid")) == spec
