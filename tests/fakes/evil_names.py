"""File names of every evil kind that Linux allows: what programs, shells, terminals, logs and other systems trip over.

The kinds are those of the Big List of Naughty Strings and of what file systems leave open; the strings are our own.
"""

from __future__ import annotations

import os
import unicodedata

_ONE_OF_A_KIND: tuple[str, ...] = (
    # words that mean something to somebody
    *("undefined", "null", "NULL", "(null)", "nil", "NaN", "Infinity", "true", "hasOwnProperty", "__proto__", "None"),
    *("con", "CON.xml", "aux", "nul.xml", "COM1", "LPT1.txt", "PRN", "desktop.ini", "Thumbs.db", "core", "a.lnk"),
    # numbers
    *(
        "0",
        "-1",
        "1e100",
        "0x10",
        "٠١٢",
        "１２３",
        "1/0".replace("/", "∕"),
        "99999999999999999999",
        "1,000.00",
        "$1.00",
    ),
    # marks
    *(
        ",./;'[]\\-=".replace("/", ""),
        '<>?:"{}|_+',
        "!@#$%^&*()`~",
        "Ω≈ç√∫˜µ≤≥÷",
        "åß∂ƒ©˙∆˚¬…æ",
        "``",
        "''",
        '"',
        "'",
        "\\",
    ),
    # shells, options, templates, formats
    *(
        "-",
        "--",
        "-rf",
        "--help",
        "-o ProxyCommand=x",
        "$(touch x)",
        "`touch x`",
        ";reboot",
        "&& reboot",
        "| cat",
        "> out",
    ),
    *(
        "$HOME",
        "${IFS}",
        "~",
        "~root",
        "*",
        "?",
        "[a-z]",
        "{a,b}",
        "!!",
        "#!",
        "%s%n%p",
        "%00",
        "%2e%2e%2f",
        "{0}",
        "{{7*7}}",
    ),
    *("{% debug %}", "#{7*7}", "${7*7}", "<%= 7 %>", "{name}", "=1+1", "@SUM(1)", "+1", "\t=cmd"),
    # databases and markup
    *("' OR 1=1 -- ", "1;DROP TABLE transfers", "');--", "<script>alert(1)<", "<!--", "]]>", "&lt;", "&#0;", "<?xml?>"),
    # paths that are none
    *("...", ". .", "..xml", "a..", "\\..\\..\\x", "C:\\x", "\\\\server\\share", "∕etc∕passwd", "a⁄b", "．．"),
    # white space and what cannot be seen
    *(
        " ",
        "  a",
        "a  ",
        "a b",
        "\u00a0",
        "\u3000",
        "\u200b",
        "\ufeffa",
        "a\u200db",
        "\u2060",
        "\u00ada",
        "\u180e",
        "\u2800",
    ),
    *(
        "\n",
        "a\nb",
        "a\r\nb",
        "\r",
        "\t",
        "\v",
        "\f",
        "\x01",
        "\x07",
        "\x08\x08\x08",
        "\x1b[2J",
        "\x1b]0;x\x07",
        "\x7f",
        "\x85",
    ),
    *(
        "\u2028",
        "\u2029",
        '\n{"level":"info","event":"transfer.delivered"}',
        '"}\n{"event":"x',
        "\x00".replace("\x00", "\x02"),
    ),
    # directions and stacks
    *(
        "\u202exml.exe",
        "\u202ax\u202c",
        "\u2066x\u2069",
        "\u061c",
        "שלום",
        "مرحبا",
        "בְּרֵאשִׁית",
        "Z̮̞̠a̴l̶g̷o̸",
        "ﷺ",
        "a" + "\u0301" * 60,
    ),
    # other scripts, emoji, what looks alike
    *(
        "田中さん.xml",
        "ヽ༼ຈل͜ຈ༽ﾉ",
        "😍.xml",
        "👩🏽",
        "👨‍👩‍👧‍👦",
        "🇬🇧",
        "ⅷ",
        "№",
        "ｃｌａｉｍ.xml",
        "сlaim.xml",
        "claim․xml",
        "ı.xml",
        "İ.xml",
        "ß.XML",
        "ﬀ",
    ),
    *("𝒸𝓁𝒶𝒾𝓂", "\U000e0041", "\ufdd0", "\uffff", "\U0010ffff", "\ufffd"),
    # personal
    *("QQ123456C.xml", "qq 12 34 56 c", "QQ_12_34_56_C.pdf"),
    # endings
    *(
        "a.xml.",
        "a.",
        ".xml.",
        "a.xml ",
        "a.tar.gz.xml",
        "a.xml:stream",
        "a.why.txt",
        "a.undelivered.txt",
        "a.receipt.json",
    ),
    *("a" * 255, "a" * 251 + ".xml", "é" * 127, "a." + "x" * 200, "x" * 201),
)

_TWINS: tuple[tuple[str, str], ...] = (
    ("Twin.xml", "twin.xml"),
    ("twin.XML", "tWin.xml"),
    (unicodedata.normalize("NFC", "môn-é.xml"), unicodedata.normalize("NFD", "môn-é.xml")),
    ("ŵ.xml", "w\u0302.xml"),
    ("Å.xml", "\u212b.xml"),
)

_NO_UTF8: tuple[bytes, ...] = (
    b"\xff",
    b"\xfe\xff.xml",
    b"caf\xe9.xml",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf8\x88\x80\x80\x80",
)

EVIL_NAMES: tuple[str, ...] = tuple(
    dict.fromkeys([*_ONE_OF_A_KIND, *(name for pair in _TWINS for name in pair), *map(os.fsdecode, _NO_UTF8)])
)
"""Each as Python has a file's name: what is no UTF-8 holds lone surrogates."""


def can_exist(name: str) -> bool:
    """Whether Linux takes it for a file's name."""
    return name not in {"", ".", ".."} and "/" not in name and "\0" not in name and len(os.fsencode(name)) <= 255


assert all(map(can_exist, EVIL_NAMES))
