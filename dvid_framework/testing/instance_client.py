"""An instance at a version as tests talk to it: what they ask stands below its address."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from dvid_framework.testing.client import Client, Reply
from dvid_framework.testing.jobs import wait_for_job

__all__ = ["InstanceClient"]


@dataclass
class InstanceClient:
    """An instance at a version; a plugin's tests add to it what they ask often.

    Attributes:
        client: talks to the server.
        uuid: the version.
        name: the instance.
    """

    client: Client
    uuid: str
    name: str

    @property
    def path(self) -> str:
        """The address of the instance at the version, without a slash at the end."""
        return f"/api/node/{self.uuid}/{self.name}"

    def at(self, uuid: str) -> Self:
        """Return the instance at another version."""
        return replace(self, uuid=uuid)

    def by(self, client: Client) -> Self:
        """Return the same by another client: of another thread, or of a server that runs anew."""
        return replace(self, client=client)

    def named(self, name: str) -> Self:
        """Return another instance at the version."""
        return replace(self, name=name)

    def send(self, method: str, rest: str, body: Any = b"", **headers: str) -> Reply:
        """Send a request to an address below the instance."""
        return self.client.request(method, f"{self.path}/{rest}", body, headers)

    def get(self, rest: str, body: Any = None, **headers: str) -> Reply:
        """GET, with a body if one is given."""
        return self.send("GET", rest, body, **headers)

    def head(self, rest: str) -> int:
        """HEAD; returns the status."""
        return self.send("HEAD", rest, None).status

    def post(self, rest: str, body: Any = b"", **headers: str) -> Reply:
        """POST."""
        return self.send("POST", rest, body, **headers)

    def delete(self, rest: str) -> Reply:
        """DELETE."""
        return self.send("DELETE", rest, None)

    def json(self, rest: str, body: Any = None) -> Any:
        """GET what answers 200 with JSON, and return it decoded."""
        return self.get(rest, body).ok().json()

    def wait_for_jobs(self) -> None:
        """Wait for all jobs of the instance; each must get done."""
        for job in self.json("jobs"):
            ended = wait_for_job(self.client, job["id"])
            assert ended["state"] == "done", ended
