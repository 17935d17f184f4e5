"""The look of the pages and the mails: whose name they bear, its links, and its theme."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

LOGOS = ("logo.svg", "logo.png")
DARK_LOGOS = ("logo-dark.svg", "logo-dark.png")
FAVICONS = ("favicon.svg", "favicon.png", "favicon.ico")
STYLE_SHEET = "theme.css"

DEEPEST = 16
"""Folders above a page: a long address of slashes must not make a much longer page."""


@dataclass(frozen=True, eq=False)
class Theme:
    """What a deployment changes about the pages, as it was at the start."""

    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """What browsers load, by its name."""
    templates: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Those that take the place of ours, by their name."""

    @cached_property
    def digest(self) -> str:
        """Another one for other files, so that browsers can keep what is at an address for good."""
        total = hashlib.sha256()
        for name, content in sorted(self.files.items()):
            total.update(f"{name} {len(content)} ".encode() + content)
        return total.hexdigest()[:16]


NO_THEME = Theme()


@dataclass(frozen=True)
class Look:
    """What every template is told of the deployment, and no more than that."""

    service_name: str
    terms_url: str = ""
    privacy_url: str = ""
    theme: Theme = NO_THEME
    home: tuple[str, str] | None = None
    """Where somebody goes who has come from nowhere: the text of a link, and its path here."""
    root: str = ""
    """The way from the page to the root of the server, such as ``../../``: addresses are relative,
    so that pages also work under a prefix and at a host that is not the issuer's."""

    def seen_from(self, path: str) -> "Look":
        """For the page at ``path``, which may be any number of folders deep."""
        return replace(self, root="../" * min(path.count("/") - 1, DEEPEST))

    @property
    def icon(self) -> str:
        """The address of the icon."""
        return self._first(FAVICONS) or f"{self.root}assets/icon.svg"

    def values(self) -> Mapping[str, str]:
        """By their names in a template; what there is none of is empty."""
        return {
            "service_name": self.service_name,
            "terms_url": self.terms_url,
            "privacy_url": self.privacy_url,
            "root": self.root,
            "icon": self.icon,
            "logo": self._first(LOGOS),
            "dark_logo": self._first(DARK_LOGOS),
            "style_sheet": self._first((STYLE_SHEET,)),
        }

    def _first(self, names: tuple[str, ...]) -> str:
        found = next((name for name in names if name in self.theme.files), "")
        return f"{self.root}theme/{self.theme.digest}/{found}" if found else ""
