"""Junk: what a hostile caller puts in the place of a text or of any JSON."""

from hypothesis import strategies as st

ODD_NUMBERS = st.sampled_from([0, -1, 2**31, 2**53, 2**63, 2**64, 10**30, -(10**30), 1e308, 0.5])
ODD_TEXTS = [
    "",
    " ",
    "\x00",
    "\ud800",
    "🫖" * 200,
    "x" * 2000,
    "../../etc/passwd",
    "'; drop table orders; --",
    "%00",
    "null",
    "NaN",
    "-1",
    "9" * 40,
    "2026-02-30T25:61:61Z",
    "\u202e1.00",
]
FINITE = st.floats(allow_nan=False, allow_infinity=False)  # JSON has no others
TEXTS = st.sampled_from(ODD_TEXTS) | st.text(max_size=40)
SCALARS = st.none() | st.booleans() | ODD_NUMBERS | FINITE | TEXTS
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)
"""Any JSON at all, and what Python's encoder writes beyond it (NaN, lone surrogates)."""
