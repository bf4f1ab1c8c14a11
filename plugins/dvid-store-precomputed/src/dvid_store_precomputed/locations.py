"""Where a volume is: what the option `ref` means to TensorStore."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from dvid_framework.api import BadRequest

__all__ = ["kvstore_spec"]

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,220}")
_S3 = re.compile(r"s3://([^/?]+)(?:\?([^/]*))?(?:/(.*))?")


def _folder(path: str) -> str:
    """A path of a kvstore that stands for a folder ends with a slash."""
    path = path.lstrip("/")
    return path if not path or path.endswith("/") else f"{path}/"


def _bucket(name: str) -> str:
    if not _BUCKET.fullmatch(name):
        raise BadRequest(f"ref names the bucket {name[:60]!r}, which is no name of one")
    return name


def _s3(ref: str) -> dict[str, Any]:
    """Read `s3://BUCKET/PATH`, and `s3://BUCKET?endpoint=HOST:PORT&disableSSL=true/PATH` as DVID's servers have it."""
    match = _S3.fullmatch(ref)
    if match is None:
        raise BadRequest("ref must be s3://BUCKET/PATH")
    spec: dict[str, Any] = {"driver": "s3", "bucket": _bucket(match[1]), "path": _folder(match[3] or "")}
    asked = {name: values[0] for name, values in parse_qs(match[2] or "").items()}
    if region := asked.get("region"):
        spec["aws_region"] = region
    if endpoint := asked.get("endpoint"):
        scheme = "http" if asked.get("disableSSL") == "true" else "https"
        spec["endpoint"] = f"{scheme}://{endpoint}"
        spec.setdefault("aws_region", "us-east-1")
    return spec


def kvstore_spec(ref: str, folder: Path) -> dict[str, Any]:
    """Return the specification of a kvstore whose root is the volume.

    Args:
        ref: `gs://BUCKET/PATH`, `s3://...`, `vast://ENDPOINT/BUCKET/PATH`, `http://`, `https://`, `file:///PATH` or
            `file:PATH`; without a scheme it is a path in a bucket of Google.
        folder: where relative paths of files begin.

    Raises:
        BadRequest: it is something else.
    """
    if "://" not in ref and not ref.startswith("file:"):
        ref = f"gs://{ref}"
    scheme, _, rest = ref.partition(":")
    rest = rest.removeprefix("//")
    if scheme == "file":
        return {"driver": "file", "path": f"{(folder / rest).resolve()}/"}
    if scheme == "s3":
        return _s3(ref)
    head, _, path = rest.partition("/")
    if scheme == "gs":
        return {"driver": "gcs", "bucket": _bucket(head), "path": _folder(path)}
    if scheme == "vast":
        bucket, _, inside = path.partition("/")
        spec = {"driver": "s3", "bucket": _bucket(bucket), "path": _folder(inside), "aws_region": "us-east-1"}
        return {**spec, "endpoint": f"https://{head}"}
    if scheme in ("http", "https"):
        address = urlsplit(ref)
        if not address.netloc or address.query or address.fragment:
            raise BadRequest("ref must be the plain http or https address of the volume's folder")
        return {"driver": "http", "base_url": f"{scheme}://{address.netloc}", "path": f"/{_folder(address.path)}"}
    raise BadRequest(f"ref has the scheme {scheme[:20]!r}; gs, s3, vast, http, https and file are allowed")
