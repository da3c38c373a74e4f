"""The words of a page: no name of the API's, no snake_case, no time as machines write it."""

import re

from playwright.sync_api import Page

VISIBLE = """() => {
    document.querySelectorAll("details").forEach((each) => { each.open = true; });
    const skipped = new Set(["CODE", "PRE", "SCRIPT", "STYLE", "OPTION", "DATALIST"]);
    const texts = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        let at = walker.currentNode.parentElement;
        const isCode = (each) => skipped.has(each.tagName) || each.classList.contains("mono");
        while (at && !isCode(at)) at = at.parentElement;
        const text = walker.currentNode.textContent.trim();
        if (!at && text) texts.push(text);
    }
    document.querySelectorAll("option").forEach((each) => texts.push(each.textContent.trim()));
    return texts;
}"""
WRONG = {
    "a bare snake_case word": re.compile(r"(?<![\w:/.-])[a-z]+(?:_[a-z]+)+(?![\w:/-])"),
    "a time as machines write it": re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2})?"),
    "an amount with a code in small letters": re.compile(r"\d (?:gbp|usd|eur|jpy|kwd)\b"),
    "a name of ours": re.compile(r"\b(?:projected|unprojected|projection_\w+|minor units)\b"),
    "a word of a program": re.compile(r"\b(?:undefined|null|NaN|True|False|\[object)\b"),
}
ALLOWED = re.compile(
    r"\border/A1\b|2026-\d\d$|order_id, or Order|\w…\w|"
    r"^[a-z]+:[a-z_:]+$|^ledger-|^\w+/\S+$"
)
"""Placeholders, accounts of the books, and streams of the log, which are names themselves."""


def names_of_programs(page: Page) -> list[str]:
    """What is said on the page, its folded parts included, that is no word for people."""
    found: list[str] = []
    for text in page.evaluate(VISIBLE):
        if not ALLOWED.search(text):
            said = [name for name, pattern in WRONG.items() if pattern.search(text)]
            found += [f"{said[0]}: {text[:120]}"] if said else []
    return found
