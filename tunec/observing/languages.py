"""Which language a text is in, as BCP 47 has it: by its script, and of Latin letters by its small words.

It names a language only where something speaks for it: a text of names and numbers is of none. Simplified and
Traditional Chinese are told by characters that only one of them has.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

_LOOKED = 600  # characters of a text
_MANY = 0.05  # share of the rows from which on a language counts
_TRADITIONAL = frozenset(
    "們這說時會對發個為國來學見還過開關當電無後樣經種點線長將與從讓應該題體實現問間頭頁買賣錢車輛醫藥請謝聽讀寫話語認識"
    "號碼訂單貨運費訊網頻資料處於據傳轉變壞總結極繼續給約紅綠級組細終產業東樂機構標權歲歷歸殺氣決況準減測灣濟為爾獲獎"
    "環確禮離積穩競筆範簡簽緊維緒練縣罵羅聯聲職腦臺舉舊華葉蘭虛蟲補裝複覺觀計記許設訪證評試詢誤調談論議護責貴質贊趕"
)
_SIMPLIFIED = frozenset(
    "们这说时会对发个为国来学见还过开关当电无后样经种点线长将与从让应该题体实现问间头页买卖钱车辆医药请谢听读写话语认识"
    "号码订单货运费讯网频资料处于据传转变坏总结极继续给约红绿级组细终产业东乐机构标权岁历归杀气决况减测湾济尔获奖"
    "环确礼离积稳竞笔范简签紧维绪练县骂罗联声职脑举旧华叶兰虚虫补装复觉观计记许设访证评试询误调谈论议护责贵质赞赶"
)
_ONLY_TRADITIONAL = _TRADITIONAL - _SIMPLIFIED
_ONLY_SIMPLIFIED = _SIMPLIFIED - _TRADITIONAL
_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("zh", re.compile(r"[\u3400-\u9fff]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
)
_WORDS = {
    "en": "the and is are to of my you i what how it do can for not this with was have on in",
    "de": "der die das und ist nicht ich sie mit ein eine auf für von wie wir haben zu den im",
    "fr": "le la les et est je vous des une pour pas que dans mon ma avec sur qui ne au du",
    "es": "el los las es y de que en una por con mi para como está lo su se al del",
    "it": "il lo gli è di che un una per non con sono mio mia come della nel ho si",
    "pt": "o os as é de que em um uma para com não meu minha como está na no do da",
    "nl": "de het een en is niet ik van op voor met mijn hoe dat wat te zijn er",
    "vi": "là và của tôi không có cho được một những này với người đã các",
    "id": "dan yang di saya tidak ini untuk dengan itu dari bagaimana apa ke ada",
    "pl": "i w nie jest na się do to jak mam z że czy mój moja",
    "tr": "ve bir bu için ne nasıl var çok değil mi ile benim olarak",
}
_KNOWN = {language: frozenset(words.split()) for language, words in _WORDS.items()}
_WORD = re.compile(r"[^\W\d_]+")


def language(text: str) -> str | None:
    """The language of one text; None where nothing tells it. Chinese of shared characters alone is `zh`."""
    beginning = text[:_LOOKED]
    if not beginning.isascii():
        counts = {name: len(signs.findall(beginning)) for name, signs in _SCRIPTS}
        letters = sum(map(str.isalpha, beginning))
        for name, many in counts.items():
            if many and (many >= 0.2 * letters or (name == "ja" and counts["zh"] and many >= 0.1 * letters)):
                return _chinese(beginning) if name == "zh" else name
    words = _WORD.findall(beginning.lower())
    found = {name: sum(word in known for word in words) for name, known in _KNOWN.items()}
    best = max(found.values(), default=0)
    return next((name for name, many in found.items() if many == best), None) if best else None


def _chinese(text: str) -> str:
    traditional = sum(sign in _ONLY_TRADITIONAL for sign in text)
    simplified = sum(sign in _ONLY_SIMPLIFIED for sign in text)
    if traditional == simplified:
        return "zh"
    return "zh-TW" if traditional > simplified else "zh-CN"


def languages(texts: Iterable[str]) -> dict[str, float]:
    """Language -> share of the texts whose language is told, those of a twentieth and more, the largest first.

    Chinese that could be either counts as the one that the other rows are in.
    """
    counts = Counter(found for text in texts if (found := language(text)))
    told = sum(counts.values())
    if shared := counts.pop("zh", 0):
        likelier = max(("zh-TW", "zh-CN"), key=lambda name: counts[name])
        counts[likelier if counts[likelier] else "zh"] += shared
    return {name: round(many / told, 3) for name, many in counts.most_common() if many >= _MANY * told}
