"""show_in_browser.py WANTED.json: show volumes side by side in neuroglancer, in a headless Chromium; keep a picture.

Runs in the environment of the readers. WANTED.json has `server` (its URL), `chromium` (the program), `picture` (where
the PNG goes), `size` (width and height of the window), `position` (x, y, z in the middle of each panel) and `rows` of
panels: each has `name`, `kind` (image or segmentation), `source`, and for a segmentation `colors` by label. Prints as
JSON where the panels are (left, top, width, height), in the order of the rows, and what the page said.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import neuroglancer
from playwright.sync_api import Page, sync_playwright

SECONDS = 90
# Software rendering: machines that run tests have no graphics.
ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
SHADER = "void main() { emitGrayscale(toNormalized(getDataValue())); }"
WHERE = """[...document.querySelectorAll('.neuroglancer-rendered-data-panel')]
    .map(panel => panel.getBoundingClientRect()).map(box => [box.left, box.top, box.width, box.height])"""


def layer_of(panel: dict[str, Any]) -> neuroglancer.Layer:
    if panel["kind"] == "image":
        return neuroglancer.ImageLayer(source=panel["source"], shader=SHADER, opacity=1)
    colors = {int(label): color for label, color in panel["colors"].items()}
    return neuroglancer.SegmentationLayer(
        source=panel["source"],
        segments=list(colors),
        segment_colors=colors,
        selected_alpha=1,
        not_selected_alpha=0,
    )


def prepared(wanted: dict[str, Any]) -> neuroglancer.Viewer:
    neuroglancer.set_server_bind_address("127.0.0.1")
    viewer = neuroglancer.Viewer()
    with viewer.config_state.txn() as config:
        config.show_ui_controls = False
        config.show_panel_borders = False
    with viewer.txn() as state:
        nanometers = neuroglancer.CoordinateSpace(names=["x", "y", "z"], units="nm", scales=[8, 8, 8])
        state.dimensions = nanometers
        rows = []
        for row in wanted["rows"]:
            for panel in row:
                state.layers[panel["name"]] = layer_of(panel)
            groups = [neuroglancer.LayerGroupViewer(layers=[panel["name"]], layout="xy") for panel in row]
            rows.append(neuroglancer.row_layout(groups))
        state.layout = neuroglancer.column_layout(rows)
        state.position = wanted["position"]
        state.cross_section_scale = 1
        state.show_axis_lines = False
        state.show_scale_bar = False
        state.show_default_annotations = False
        state.cross_section_background_color = "#000000"
    return viewer


def is_shown(viewer: neuroglancer.Viewer, page: Page) -> None:
    """Wait until all chunks that can be seen are there; meanwhile the page must be served."""
    done, replies = threading.Event(), []

    def keep(reply: Any) -> None:
        replies.append(reply)
        done.set()

    viewer.async_screenshot(keep)
    for _ in range(SECONDS * 10):
        page.wait_for_timeout(100)
        if done.is_set():
            return
    raise TimeoutError(f"neuroglancer has not shown everything within {SECONDS} s")


def main(wanted: dict[str, Any]) -> None:
    # Neuroglancer sends every DVID server a token; one that is not guarded does not look at it.
    os.environ["DVID_CREDENTIALS"] = f"{wanted['server']}=anybody"
    viewer = prepared(wanted)
    width, height = wanted["size"]
    said: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=wanted["chromium"], args=ARGUMENTS)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("requestfailed", lambda request: said.append(f"failed: {request.url} {request.failure}"))
        page.on("response", lambda reply: reply.status >= 400 and said.append(f"{reply.status}: {reply.url}"))
        page.goto(viewer.get_viewer_url())
        try:
            is_shown(viewer, page)
        except TimeoutError as error:
            page.screenshot(path=wanted["picture"])
            raise SystemExit(f"{error}; the page said: {said[-20:]}") from error
        page.screenshot(path=wanted["picture"])
        panels = page.evaluate(WHERE)
        browser.close()
    sys.stdout.write(json.dumps({"panels": panels, "said": said}))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
