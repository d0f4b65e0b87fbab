"""Links of all pages: a file that is there, and in it the heading."""

import re
from functools import cache
from pathlib import Path

import pytest
from needs import ROOT

PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("deploy/**/*.md"),
        *ROOT.glob("tests/**/*.md"),
    )
)


@cache
def prose(path: Path) -> str:
    """Return a page without its blocks, where nothing is a link or a heading."""
    return re.sub(
        r"^ *```.*?^ *```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )


@cache
def anchors(path: Path) -> set[str]:
    """Return what headings of a page can be linked by, as GitHub names them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        name = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        times = sum(known == name or known.startswith(f"{name}-") for known in found)
        found.add(name if name not in found else f"{name}-{times}")
    return found


def links(path: Path) -> list[str]:
    """Return the links of a page that lead to files of ours."""
    found = re.findall(r"\]\(([^()\s]+)\)", re.sub(r"`[^`\n]*`", "", prose(path)))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    """Who follows one is in need of what it promises."""
    page = ROOT / name
    for link in links(page):
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{name}: {link}"
        assert target.is_relative_to(ROOT), f"{name}: {link} leads out of the repository"
        assert not anchor or anchor in anchors(target), f"{name}: {link}"


def test_there_are_links_to_follow() -> None:
    """Else the test above says nothing."""
    assert len(links(ROOT / "docs" / "README.md")) > 20
    assert any("#" in link for link in links(ROOT / "README.md"))
    assert "what-it-has-been-measured-to-do" in anchors(ROOT / "METHODS.md")
