"""The documents: their links lead somewhere, their pages are in the menu, and every hook is described."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from dvid_framework import hookspecs

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("libs/*/*.md"), *ROOT.glob("plugins/*/*.md")]
)
HOOKS = [name for name in vars(hookspecs) if name.startswith("dvid_")]


def dead_links(page: Path, text: str) -> list[str]:
    """Return the relative links of a page that lead nowhere."""
    links = [link for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) if "://" not in link]
    return [link for link in links if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert dead_links(page, page.read_text()) == []


def test_the_check_sees_a_dead_link() -> None:
    assert dead_links(ROOT / "README.md", "[a](no-such.md) [b](LICENSE) [c](https://example.org/x)") == ["no-such.md"]


def test_every_page_is_in_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text()
    assert [page.name for page in ROOT.glob("docs/*.md") if page.name not in menu] == []


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_described_with_its_signature(name: str) -> None:
    signature = inspect.signature(getattr(hookspecs, name))
    arguments = ", ".join(f"{one.name}: {one.annotation}" for one in signature.parameters.values())
    heading = f"## {name}({arguments}) -> {signature.return_annotation}"
    assert heading in (ROOT / "docs" / "hooks.md").read_text().splitlines()


def test_there_are_few_hooks() -> None:
    assert 0 < len(HOOKS) <= 8
