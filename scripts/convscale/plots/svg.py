# SPDX-License-Identifier: Apache-2.0
"""matplotlib's SVG made into ours: colours as classes, no metadata, no references outside."""
from __future__ import annotations

import html
import re
from dataclasses import dataclass

from convscale.plots.style import BACKGROUND, COLOURS, FONT_FAMILY, stylesheet

_BY_HEX = {colour.light: colour for colour in COLOURS}
_ROOT = re.compile(r"<svg [^>]*>", re.DOTALL)


@dataclass(frozen=True)
class Svg:
    """A finished plot."""

    name: str
    title: str
    caption: str
    width: float
    height: float
    body: str  # the elements inside <svg>

    def standalone(self) -> str:
        """A file: has its own style sheet, and follows the scheme where it is opened."""
        return (f'<?xml version="1.0" encoding="UTF-8"?>\n{self._open(True)}\n'
                f"<style>svg{{color-scheme:light dark}}{stylesheet()}</style>\n"
                f"{self._content()}</svg>\n")

    def inline(self) -> str:
        """For a page that has the style sheet."""
        return f"{self._open(False)}\n{self._content()}</svg>\n"

    def _open(self, with_size: bool) -> str:
        size = f' width="{self.width:g}" height="{self.height:g}"' if with_size else ""
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} '
                f'{self.height:g}"{size} role="img" font-family="{FONT_FAMILY}">')

    def _content(self) -> str:
        return (f"<title>{html.escape(self.title, quote=False)}</title>\n"
                f'<rect width="100%" height="100%" class="f-{BACKGROUND.name}" '
                f'fill="{BACKGROUND.light}"/>\n{self.body}')


def finish(name: str, title: str, caption: str, width: float, height: float, raw: str) -> Svg:
    """`raw` is what matplotlib wrote, with the light colours."""
    root = _ROOT.search(raw)
    assert root is not None
    body = raw[root.end():raw.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->\s*", "", body, flags=re.DOTALL)
    body = body.replace("xlink:href=", "href=")
    # Several plots on a page must not share names.
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = body.replace('href="#', f'href="#{name}-').replace("url(#", f"url(#{name}-")
    body = re.sub(r' style="([^"]*)"', lambda match: _styled(match[1]), body)
    body = re.sub(r"\n +", "\n", body).lstrip()
    return Svg(name, title, caption, width, height, body)


def _styled(style: str) -> str:
    """Attributes in place of a style: classes win over attributes, but not over a style."""
    attributes, classes, rest = [], [], []
    for item in filter(None, (part.strip() for part in style.split(";"))):
        name, _, value = (part.strip() for part in item.partition(":"))
        if name in ("fill", "stroke") and value in _BY_HEX:
            classes.append(f"{name[0]}-{_BY_HEX[value].name}")
            attributes.append(f'{name}="{value}"')
        elif name == "font":
            size = re.search(r"([0-9.]+)px", value)
            attributes.append(f'font-size="{size[1] if size else 14}"')
            if re.search(r"\b(700|bold)\b", value):
                attributes.append('font-weight="600"')
        else:
            rest.append(f"{name}: {value}")
    text = f' class="{" ".join(classes)}"' if classes else ""
    text += "".join(" " + attribute for attribute in attributes)
    return text + (f' style="{"; ".join(rest)}"' if rest else "")
