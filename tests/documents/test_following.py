"""Following a page: what is not as the page says is noticed."""

from pathlib import Path

import pytest
from following import Follower, matches
from pages import blocks

PAGE = """# A page

<!-- test: file greeting.txt -->
```toml
greeting = "hello"
```

1. Type

   ```sh
   cat greeting.txt
   ```

   ```text
   greeting = "hello"
   ```

<!-- test: parsed, nobody has it -->
```sh
no-such-program
```

<!-- test: stays -->
```sh
bash -c 'echo "up at 9092"; exec sleep 600'
```

```text
up at 9092
```

<!-- test: until it is so -->
```sh
echo x >> tries; [ "$(wc -l < tries)" -gt 1 ] && echo there
```

```text
there
```
"""


@pytest.fixture
def follower(tmp_path: Path) -> Follower:
    """Give somebody who types in an empty folder, where 9092 is 19092."""
    return Follower(tmp_path, {}, {"9092": "19092"})


def followed(follower: Follower, page: str) -> None:
    """Follow a page to its end."""
    (follower.folder / "page.md").write_text(page, encoding="utf-8")
    try:
        follower.follow("page.md")
    finally:
        follower.end()


def test_a_page_is_followed(follower: Follower) -> None:
    """Files are kept, commands typed, processes stay; ports are the test's, and nobody sees it."""
    followed(follower, PAGE)
    assert (follower.folder / "tries").read_text() == "x\nx\n"
    (log,) = follower.folder.glob("page-md-*.log")
    assert log.read_text() == "up at 19092\n"


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('   greeting = "hello"\n   ```\n\n<!--', '   greeting = "good-bye"\n   ```\n\n<!--'),
        ("cat greeting.txt", "cat greeting.txt no-such-file"),
        ("<!-- test: parsed, nobody has it -->\n", ""),
        ("exec sleep 600", "exit 1"),
    ],
    ids=["another output", "a failure", "no such program", "does not stay"],
)
def test_what_is_not_so_is_noticed(follower: Follower, right: str, wrong: str) -> None:
    """With the page's name and the line, since whoever broke it has to find it."""
    assert PAGE.count(right) == 1
    with pytest.raises(AssertionError, match=r"page\.md:\d+"):
        followed(follower, PAGE.replace(right, wrong))


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a\nb", "a\nb\n", True),
        ("a\nb", "a\nc\n", False),
        ("a\n...\nd", "a\nb\nc\nd\n", True),
        ("a\n...\nd", "a\nd\n", True),
        ("a\n...", "a\nb\n", True),
        ("...\nb", "a\nb\nc\n", False),
        ("version adc0593e5f7e", "version 78b66b8ab6f6  \n", True),
        ("version adc0593e5f7e", "version none\n", False),
        ("a", "", False),
    ],
)
def test_outputs_are_compared_by_the_line(shown: str, printed: str, same: bool) -> None:  # noqa: FBT001 - it is what is expected
    """Dots stand for lines, whole ones; digests for each other."""
    assert matches(shown, printed) is same


def test_a_comment_without_a_block_is_noticed() -> None:
    """Else a page's author would believe that it does something."""
    with pytest.raises(AssertionError, match="no block below it"):
        list(blocks("<!-- test: stays -->\nWords.\n"))
