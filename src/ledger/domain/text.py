"""Text that came from outside, made safe to look at."""

import re
from typing import Final

# C0 and C1 controls (a terminal obeys them), marks and overrides of direction, what is invisible,
# separators that break a line, surrogates. The joiners U+200C and U+200D stay: Persian and emoji
# are written with them. Unicode TR #36, https://www.unicode.org/reports/tr36/, names the risks.
_HIDDEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ud800-\udfff\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_SPACES: Final = "\t\n\r"
_SHORT: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\x1b": r"\e"}


def visible(text: str) -> str:
    r"""The text with control and format characters shown as escapes: ESC becomes `\e`.

    What a customer or Stripe wrote can then neither steer a terminal nor reverse a line.
    """
    return _HIDDEN.sub(lambda found: _SHORT.get(found[0]) or _code(found[0]), text)


def visible_text(text: str) -> str:
    """The same for text in which white space stays white space, as in a page."""
    return _HIDDEN.sub(lambda found: found[0] if found[0] in _SPACES else visible(found[0]), text)


def visible_lines(text: str) -> str:
    """The same for text of several lines, which stay lines."""
    return "\n".join(map(visible, text.split("\n")))


def ascii_json(text: str) -> str:
    r"""JSON that says the same, with such characters written as `\u202e`."""
    return _HIDDEN.sub(lambda found: found[0] if found[0] == "\n" else _escaped(found[0]), text)


def _code(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def _escaped(character: str) -> str:
    """As JSON writes it: beyond U+FFFF as two surrogates."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))


def as_of(position: int) -> str:
    """Up to where in the log an answer goes: the words of every sentence that says so."""
    return f"as of position {position:,}"
