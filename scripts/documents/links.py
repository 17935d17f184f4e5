"""Links and headings of Markdown, as GitHub and the site both understand them."""

import re
from collections import Counter
from collections.abc import Callable, Iterator

LINK = re.compile(r"(?<!\\)(\[(?:[^\[\]]|\[[^\]]*\])*\]\()([^()\s]+)(\))")

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(`[^`]*`)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


def headings(text: str) -> Iterator[str]:
    """The words of each heading, without marks."""
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        yield LINK.sub(lambda link: link[1][1:-2], heading).replace("`", "").strip()


def anchors(text: str) -> set[str]:
    """What can follow ``#`` in a link to the page: a heading that comes again gets a number."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in headings(text):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(f"{slug}_{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def links(text: str) -> Iterator[str]:
    """Where the links lead that are not inside code."""
    found: list[str] = []

    def note(target: str) -> str:
        found.append(target)
        return target

    relink(text, note)
    return iter(found)


def relink(text: str, change: Callable[[str], str]) -> str:
    """Make every link lead where ``change`` says, but those inside code."""
    whole = ""
    end = 0
    for fence in _FENCE.finditer(text):
        whole += _relink_prose(text[end : fence.start()], change) + fence[0]
        end = fence.end()
    return whole + _relink_prose(text[end:], change)


def _relink_prose(text: str, change: Callable[[str], str]) -> str:
    # The words of a link may be code, so code is hidden in its place and comes back afterwards.
    code: list[str] = []

    def hide(found: re.Match[str]) -> str:
        code.append(found[0])
        return f"\0{len(code) - 1}\0"

    hidden = LINK.sub(lambda link: link[1] + change(link[2]) + link[3], _CODE.sub(hide, text))
    return re.sub(r"\0(\d+)\0", lambda place: code[int(place[1])], hidden)
