"""Chinese and English: templates are written in English, `locale/zh.yaml` holds the Chinese for each text."""

from __future__ import annotations

from importlib.resources import files
from typing import Literal

import yaml

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")


class Catalog:
    """Texts in both languages; a text without a translation stays English."""

    def __init__(self, chinese: dict[str, str]) -> None:
        self._chinese = chinese

    @classmethod
    def load(cls) -> Catalog:
        text = files("fenghuo_collector.console").joinpath("locale/zh.yaml").read_text(encoding="utf-8")
        return cls(yaml.safe_load(text))

    def translate(self, text: str, language: Language) -> str:
        return self._chinese.get(text, text) if language == "zh" else text

    def has(self, text: str) -> bool:
        return text in self._chinese


def choose(cookie: str | None, accept: str, default: Language) -> Language:
    """The language of a request: its cookie's, else the first of Accept-Language that we have (RFC 9110, 12.5.4)."""
    if cookie in LANGUAGES:
        return cookie
    ranked: list[tuple[float, int, Language]] = []
    for position, part in enumerate(accept.split(",")[:20]):
        tag, _, rest = part.strip().partition(";")
        base = tag.split("-")[0].lower()
        if base in LANGUAGES:
            ranked.append((-_quality(rest), position, base))
    return min(ranked)[2] if ranked else default


def _quality(text: str) -> float:
    name, _, value = text.strip().partition("=")
    try:
        return float(value) if name == "q" else 1.0
    except ValueError:
        return 0.0
