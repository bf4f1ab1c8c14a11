"""One run of `dvid load`: everything opened, loaded, read back and reported."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dvid_framework.cli.loading.progress_file import ProgressFile
from dvid_framework.cli.loading.run import Load, check_fit
from dvid_framework.cli.loading.source import Source, Triple, open_source
from dvid_framework.cli.loading.target import Target
from dvid_framework.cli.loading.units import Unit, plan_units
from dvid_framework.errors import BadRequest, DvidError

__all__ = ["run_load"]

_MOST_PIXELS = 1 << 32
_INT32 = 1 << 31


def _place(text: str, source: Source) -> Triple:
    """Return where the first voxel goes.

    Raises:
        BadRequest: it is no place.
    """
    if not text:
        return source.offset
    try:
        x, y, z = (int(part) for part in text.split(","))
    except ValueError as error:
        raise BadRequest(f"--offset must be x,y,z, three integers, and not {text[:60]!r}") from error
    if any(not -_INT32 <= low <= _INT32 - count for low, count in zip((x, y, z), source.size, strict=True)):
        raise BadRequest("the volume does not lie within 32-bit coordinates there")
    return x, y, z


def run_load(identity: dict[str, Any], path: Path, *, threads: int, create: str, token: str, rounds: int) -> str:
    """Load a volume, and return a sentence that says what was done.

    Args:
        identity: source, target and the options that say what goes where.
        path: the file of progress.
        threads: how many units are in hand at a time.
        create: type of the instance, if it is to be made.
        token: sent to the server.
        rounds: how often units that are read back wrong are sent again; 0 to read nothing back.

    Raises:
        DvidError: something refuses or fails; what is done stays noted.
    """
    Image.MAX_IMAGE_PIXELS = _MOST_PIXELS  # sections are larger than what a web page would have
    source = open_source(identity["source"], identity["axes"], identity["scale"])
    target = Target(identity["target"], token, threads)
    try:
        if create:
            target.create(create, source.voxel_size)
        target.look()
        check_fit(source, target)
        offset = _place(identity["offset"], source)
        units = list(plan_units(offset, source.size, target.block, target.bytes_per_voxel, source.whole_rows))
        shape = {"size": source.size, "to": offset, "block": target.block, "instance": target.data_uuid}
        noted = ProgressFile(path, {**identity, **{name: _plain(value) for name, value in shape.items()}})
        load, finished = Load(source, target, offset, noted, threads), False
        try:
            before = len(noted.done)
            _with_bar("loading", len(units), before, partial(load.send, units))
            verified = _verified(load, units, target, rounds)
            finished = True
        finally:
            noted.close(remove=finished)
    finally:
        target.close()
    resumed = f", {before} of them before" if before else ""
    voxels = math.prod(source.size)
    return f"{voxels} voxels in {len(units)} parts are in {target.name!r}{resumed}; {verified}"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _verified(load: Load, units: list[Unit], target: Target, rounds: int) -> str:
    """Read everything back, and send again what is wrong; returns what to say of it.

    Raises:
        DvidError: some are wrong again and again.
    """
    if not rounds:
        return "they were not read back"
    if target.lossy:
        return "they were not read back, for the instance keeps JPEG, which changes them"
    todo, repaired = units, 0
    for attempt in range(rounds):
        wrong: list[Unit] = _with_bar("verifying", len(todo), 0, partial(load.verify, todo))
        if not wrong:
            return "all were read back and are right" + (f", {repaired} after they were sent again" if repaired else "")
        if attempt + 1 < rounds:
            repaired += len(wrong)
            load.again(wrong, lambda _: None)
        todo = wrong
    raise DvidError(
        f"{len(todo)} parts are not what was sent, the first of them at {todo[0].first}: is anybody else writing?"
    )


def _with_bar(text: str, total: int, before: int, work: Callable[[Callable[[Unit], None]], Any]) -> Any:
    """Do some work under a bar that moves with each unit; where nobody looks there is none."""
    console = Console(stderr=True)
    columns = (TextColumn(text), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(text, total=total, completed=before)
        return work(lambda _: bar.advance(task))
