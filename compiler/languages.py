"""Codes of languages, as BCP 47 has them, and what people call those languages."""

from __future__ import annotations

import re

# A language has two letters, or three where two were not left for it; longer ones are reserved, and none was given out.
TAG = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$"
_NAMES = {
    "ar": "arabic العربية",
    "cs": "czech čeština",
    "da": "danish dansk",
    "de": "german deutsch",
    "el": "greek ελληνικά",
    "en": "english englisch anglais inglés 英文 英語",
    "es": "spanish español castellano 西班牙文",
    "fi": "finnish suomi",
    "fr": "french français 法文",
    "he": "hebrew עברית",
    "hi": "hindi हिन्दी",
    "hu": "hungarian magyar",
    "id": "indonesian",
    "it": "italian italiano",
    "ja": "japanese 日本語 日文",
    "ko": "korean 한국어 韓文",
    "nl": "dutch nederlands",
    "no": "norwegian norsk",
    "pl": "polish polski",
    "pt": "portuguese português",
    "ru": "russian русский",
    "sv": "swedish svenska",
    "th": "thai ไทย",
    "tr": "turkish türkçe",
    "uk": "ukrainian українська",
    "vi": "vietnamese",
    "zh": "chinese mandarin 中文",
    "zh-CN": "简体中文 簡體中文",
    "zh-TW": "繁體中文 正體中文 繁体中文",
}
_CODES = {name: code for code, names in _NAMES.items() for name in names.split()}


def is_code(text: str) -> bool:
    return re.match(TAG, text) is not None


def code(name: str) -> str | None:
    """Of a language that is named, or written as other programs do (`en_US`); None where nothing is known."""
    said = name.strip()
    if (found := _CODES.get(said.lower())) is not None:
        return found
    written = said.replace("_", "-")
    return written if written != name and is_code(written) else None
