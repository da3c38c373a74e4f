"""What the API refused, in the words of a page."""

import pytest

from console.api import Problem
from console.wording import LABELS, in_words

FROM = "it must be from"


@pytest.mark.parametrize(
    ("said", "currency", "shown"),
    [
        (f"amount_minor is 9999; {FROM} 1 to 1500.", "gbp",
         f"Amount is 99.99 GBP; {FROM} 0.01 GBP to 15.00 GBP."),
        (f"amount_minor is 9999; {FROM} 1 to 1500.", "jpy",
         f"Amount is 9999 JPY; {FROM} 1 JPY to 1500 JPY."),
        (f"amount_minor is 9999; {FROM} 1 to 1500.", "kwd",
         f"Amount is 9.999 KWD; {FROM} 0.001 KWD to 1.500 KWD."),
        (f"the price in kwd is -1; {FROM} 0 to 5000.", None,
         f"the price in kwd is -0.001 KWD; {FROM} 0.000 KWD to 5.000 KWD."),
        (f"quantity is 0; {FROM} 1 to 5.", None, f"Units is 0; {FROM} 1 to 5."),
        ("body.reason: it is too short", None, "Reason: it is too short"),
        ("Order A1 is paid; the name is right.", "gbp", "Order A1 is paid; the Name is right."),
    ],
)  # fmt: skip
def test_amounts_and_fields_are_those_of_the_page(
    said: str, currency: str | None, shown: str
) -> None:
    assert in_words(Problem(422, {"detail": said}), currency).detail == shown


@pytest.mark.parametrize("field", LABELS)
def test_no_field_of_the_api_is_shown(field: str) -> None:
    shown = in_words(Problem(422, {"detail": f"body.{field}: is missing."}), "gbp").detail
    assert shown == f"{LABELS[field]}: is missing."
