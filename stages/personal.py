"""Personal data and secrets in a text, by their form and, where they have one, by their check digits.

Names of people and places have no form, and are not found. Phone numbers are those that a numbering plan knows
(phonenumbers, Google's tables), card numbers and ids those whose checksum holds (python-stdnum).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

REGIONS = ("US", "GB", "TW", "CN")  # whose national numbers are looked for
Found = tuple[str, int, int]  # kind, start, end


def find(text: str, regions: tuple[str, ...] = ()) -> list[Found]:
    """Everything in a text, from its beginning on; what lies inside something longer is part of that."""
    if not _hints(text):
        return []
    return list(_found(text, regions or REGIONS))


@lru_cache(maxsize=64)  # two gates and the redaction ask about one row
def _found(text: str, regions: tuple[str, ...]) -> tuple[Found, ...]:
    every = [
        (kind, match.start(group), match.end(group))
        for kind, pattern, holds in _KINDS
        for match in pattern.finditer(text)
        for group in [match.lastindex or 0]
        if holds(match[group], match, regions)
    ]
    kept: list[Found] = []
    for one in sorted(every, key=lambda found: (found[1] - found[2], found[1])):
        if all(one[2] <= start or one[1] >= end for _, start, end in kept):
            kept.append(one)
    return tuple(sorted(kept, key=lambda found: found[1]))


class Redaction:
    """Placeholders for what is taken out of one row: a value has the same one wherever it stands there."""

    def __init__(self, kinds: frozenset[str], regions: tuple[str, ...]) -> None:
        self._kinds, self._regions = kinds, regions
        self._numbers: dict[str, dict[str, int]] = {}

    def __call__(self, value: Any) -> Any:
        """The value without what is personal, whatever it is made of; keys of mappings stay."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {name: self(inner) for name, inner in value.items()}
        return [self(inner) for inner in value] if isinstance(value, list) else value

    def _text(self, text: str) -> str:
        parts, at = [], 0
        for kind, start, end in find(text, self._regions):
            if kind in self._kinds:
                known = self._numbers.setdefault(kind, {})
                number = known.setdefault(text[start:end], len(known) + 1)
                parts += [text[at:start], f"[{kind.upper()}_{number}]"]
                at = end
        return "".join([*parts, text[at:]])


# ---------------------------------------------------------------- what holds


def _always(value: str, match: re.Match[str], regions: tuple[str, ...]) -> bool:
    return True


def _card(value: str, match: re.Match[str], regions: tuple[str, ...]) -> bool:
    digits = re.sub(r"\D", "", value)
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and _luhn(digits)


def _luhn(digits: str) -> bool:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0


def _iban(value: str, match: re.Match[str], regions: tuple[str, ...]) -> bool:
    from stdnum import iban

    return bool(iban.is_valid(value, check_country=False))


def _ssn(value: str, match: re.Match[str], regions: tuple[str, ...]) -> bool:
    area, group, serial = value[:3], value[4:6], value[7:]
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def _taiwan(value: str, match: re.Match[str], regions: tuple[str, ...]) -> bool:
    """A letter, which stands for two digits, and nine digits. Source: Ministry of the Interior, 國民身分證統一編號."""
    first = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(value[0]) + 10
    digits = [first // 10, first % 10, *map(int, value[1:])]
    return sum(map(int.__mul__, digits, (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1))) % 10 == 0


def _china(value: str, match: re.Match[str], regions: tuple[str, ...]) -> bool:
    """ISO 7064 mod 11-2 over 17 digits, of which eight are a date. Source: GB 11643-1999."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(weight * int(digit) for weight, digit in zip(weights, value, strict=False))
    return "10X98765432"[total % 11] == value[17].upper()


_INNER = [ip_network(net) for net in ("0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
_VERSION = re.compile(r"(?i)\b(?:version|ver|release|v|build)\.? ?$")


def _host(value: str, match: re.Match[str], regions: tuple[str, ...]) -> bool:
    """An address that is somebody's: none of a private network, and no version of a program."""
    try:
        address = ip_address(value)
    except ValueError:
        return False
    if address.version == 4 and any(address in net for net in _INNER):
        return False
    return not _VERSION.search(match.string[max(0, match.start() - 10) : match.start()])


_DATE = re.compile(r"(?:19|20)\d\d[-. ]?(?:0\d|1[0-2])[-. ]?[0-3]\d|[0-3]?\d[-. ][01]?\d[-. ](?:19|20)\d\d")
_CALLED = re.compile(
    r"(?i)(?:call|phone|tel|mobile|cell|fax|whatsapp|number|reach|contact|dial|sms|text|手機|手机|電話|电话|聯絡|联系|致電|\+)\W{0,3}[^\n\d]{0,16}$"
)


def _phone(value: str, match: re.Match[str], regions: tuple[str, ...]) -> bool:
    if _DATE.fullmatch(value) or len(re.sub(r"\D", "", value)) < 7:
        return False
    called = bool(_CALLED.search(match.string[max(0, match.start() - 24) : match.start()]))
    return _dialled(value, regions, called or value.startswith("+"))


@lru_cache(maxsize=4096)
def _dialled(value: str, regions: tuple[str, ...], called: bool) -> bool:
    """Whether a plan has the number. Bare digits are one only behind a word such as "call", or as a mobile's."""
    import phonenumbers

    plain = value.isdigit()
    for region in regions:
        try:
            number = phonenumbers.parse(value, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            mobile = phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE
            if called or not plain or (mobile and len(value) in (10, 11)):
                return True
        elif called and not plain and phonenumbers.is_possible_number(number):
            return True
    return called and not plain and 7 <= len(re.sub(r"\D", "", value)) <= 15


def _mixed(value: str, match: re.Match[str], regions: tuple[str, ...]) -> bool:
    """Whether a value after `token:` looks made by a machine."""
    return any(map(str.isdigit, value)) and any(map(str.isalpha, value))


def _word(value: str, match: re.Match[str], regions: tuple[str, ...]) -> bool:
    """Whether what follows `password:` or `password is` may be one: it is no placeholder, and goes on no sentence."""
    return (
        len(value) >= 5
        and not re.fullmatch(r"(?i)[x*.<\[{_-]+.*|(?:your|the|my)\b.*|is|reset|change[sd]?|password", value)
        and not (_IS.search(match[0][: match.start(1) - match.start()]) and _PLAIN.fullmatch(value))
    )


_IS = re.compile(r"(?i)\bis\s{0,3}$")  # and no quote behind it
_PLAIN = re.compile(r"[a-z]+[.!?:)]*")  # "my password is wrong."


_Holds = Callable[[str, "re.Match[str]", tuple[str, ...]], bool]
_ID = r"(?<![A-Za-z0-9])"
_END = r"(?![A-Za-z0-9])"
_PERSONAL: list[tuple[str, str, _Holds]] = [
    ("email", r"[A-Za-z0-9._%+\-]{1,64}@(?:[A-Za-z0-9\-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])", _always),
    (
        "card",
        rf"{_ID}(?:[2-6]\d{{3}}[ -]?){{1}}(?:\d{{4}}[ -]?){{2,3}}\d{{1,7}}{_END}|"
        rf"{_ID}3[47]\d\d[ -]?\d{{6}}[ -]?\d{{5}}{_END}",
        _card,
    ),
    ("iban", rf"{_ID}[A-Z]{{2}}\d\d(?: ?[A-Z0-9]{{4}}){{2,7}}(?: ?[A-Z0-9]{{1,3}})?{_END}", _iban),
    ("us_ssn", rf"{_ID}(?<!-)\d{{3}}[- ]\d\d[- ]\d{{4}}{_END}(?!-)", _ssn),
    (
        "uk_nino",
        rf"{_ID}(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]{_END}",
        _always,
    ),
    ("tw_id", rf"{_ID}[A-Z][1289]\d{{8}}{_END}", _taiwan),
    ("cn_id", rf"{_ID}[1-8]\d{{5}}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])\d{{3}}[\dXx]{_END}", _china),
    (
        "passport",
        rf"(?i:passport|護照|护照)(?:\W{{0,3}}(?i:no|number|id|號碼|号码)?)?\W{{0,4}}([A-Z]{{0,2}}\d{{7,9}}){_END}",
        _always,
    ),
    ("ip", r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\d)", _host),
    ("ip", r"(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){3,7}(?::|[0-9A-Fa-f]{1,4})(?::?[0-9A-Fa-f]{1,4}){0,4}(?![\w:])", _host),
    (
        "private_url",
        r"\bhttps?://(?:localhost|127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|[\w.\-]+\.(?:internal|intranet|local|corp|lan)\b)[^\s\"'<>]*"
        r"|\bhttps?://[^\s\"'<>]*[?&](?:token|access_token|sig|signature|auth|key|api_key)=[^\s\"'<>]+",
        _always,
    ),
    ("phone", r"(?<![\w.\-/#])(?:\+|\(\+?)?\d[\d ().\-]{5,18}\d(?: ?(?:x|ext\.?) ?\d{1,6})?(?![\w/])(?!\.\d)", _phone),
]
_VENDORS: list[tuple[str, str, _Holds]] = [
    (
        "private_key",
        r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:[\s\S]{0,8000}?-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----)?",
        _always,
    ),
    ("aws_key", rf"{_ID}(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{{16}}{_END}", _always),
    (
        "aws_secret",
        r"(?i:secret)\W{0,20}(?i:access)?\W{0,3}(?i:key)?\W{0,5}([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
        _mixed,
    ),
    ("github_token", rf"{_ID}(?:gh[pousr]_[A-Za-z0-9]{{36,255}}|github_pat_[A-Za-z0-9_]{{22,255}}){_END}", _always),
    ("gitlab_token", rf"{_ID}glpat-[A-Za-z0-9_\-]{{20,}}", _always),
    ("slack_token", rf"{_ID}xox[abeoprs]-[A-Za-z0-9\-]{{10,}}|hooks\.slack\.com/services/T\w+/B\w+/\w+", _always),
    ("api_key", rf"{_ID}sk-(?:ant-|proj-|test-|live-|or-)?[A-Za-z0-9_\-]{{20,}}", _always),
    ("stripe_key", rf"{_ID}[srp]k_(?:live|test)_[A-Za-z0-9]{{16,}}", _always),
    ("google_key", rf"{_ID}AIza[A-Za-z0-9_\-]{{35}}", _always),
    ("huggingface_token", rf"{_ID}hf_[A-Za-z0-9]{{30,}}", _always),
    ("npm_token", rf"{_ID}npm_[A-Za-z0-9]{{36}}{_END}", _always),
    ("pypi_token", rf"{_ID}pypi-[A-Za-z0-9_\-]{{50,}}", _always),
    ("sendgrid_key", rf"{_ID}SG\.[A-Za-z0-9_\-]{{16,32}}\.[A-Za-z0-9_\-]{{16,64}}", _always),
    ("telegram_token", rf"{_ID}\d{{8,10}}:AA[A-Za-z0-9_\-]{{32,36}}", _always),
    ("jwt", rf"{_ID}eyJ[A-Za-z0-9_\-]{{8,}}\.eyJ[A-Za-z0-9_\-]{{8,}}\.[A-Za-z0-9_\-]{{8,}}", _always),
    (
        "password",
        r"(?i:\bpass(?:word|wd|phrase)?|\bpwd|密碼|密码)\s{0,3}(?:[:=：]|(?i:is)\b)\s{0,3}[\"']?([^\s\"',;，。]{5,128})",
        _word,
    ),
    ("password", r"\b[a-z][a-z0-9+.\-]{1,15}://[^\s/:@]{1,64}:([^\s/@]{3,128})@", _always),
    (
        "api_key",
        r"(?i:\b(?:api|access|auth|secret|client)[_ \-]?(?:key|token|secret)|\btoken|\bbearer)"
        r"\s{0,3}(?:[:=]|(?i:is)\b)?\s{0,3}[\"']?([A-Za-z0-9_\-/+.]{20,})",
        _mixed,
    ),
]
_KINDS = [(kind, re.compile(pattern), holds) for kind, pattern, holds in (*_PERSONAL, *_VENDORS)]
# One cheap look at a text: without any of these it holds none of the above.
_DIGITS = re.compile(r"\d[\d ().\-]{4,}\d")
_MARKS: tuple[str, ...] = (
    "@",
    "://",
    "-----BEGIN",
    "密碼",
    "密码",
    "護照",
    "护照",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat",
)
_MARKS += ("glpat-", "xox", "slack.com", "sk-", "k_live", "k_test", "AIza", "hf_", "npm_", "pypi-", "SG.", "eyJ")
_MARKS += ("AKIA", "ASIA", "ABIA", "ACCA")
_WORDS: tuple[str, ...] = (
    "passw",
    "passphrase",
    "pass:",
    "pass =",
    "pass=",
    "passport",
    "pwd",
    "secret",
    "token",
    "bearer",
)
_WORDS += ("api key", "api_key", "api-key", "apikey", "access_key", "access key", "auth key", "auth_key", "client_key")


def _hints(text: str) -> bool:
    if _DIGITS.search(text) or text.count(":") > 2:
        return True
    small = text.lower()
    return any(mark in text for mark in _MARKS) or any(word in small for word in _WORDS)
