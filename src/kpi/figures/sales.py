"""Sales: what was sold and taken back, by the definitions that Shopify's reports made common.

Where a bank takes back what paid an order, all that it put in is taken off again on that day.
"""

from kpi.declare import Facts, Family, Figure, Sum, Total, Unit
from kpi.figures.money import ORDERS

LINES = Facts("sales_daily", "line_sales", "sales_daily")

UNPAID = "; all of it goes again on the day on which a bank takes back what paid the order"
PAID = "full payment, end of it"

family = Family(
    20,
    "Sales of orders",
    (
        Figure(
            "gross_sales",
            "Gross sales",
            "quantity × unit amount of the lines of orders that became fully paid" + UNPAID,
            Unit.MONEY,
            Sum(LINES, "gross_minor", "gross_minor"),
            dated_by=PAID,
        ),
        Figure(
            "discounts",
            "Discounts",
            "discounts of those orders, without page_discounts" + UNPAID,
            Unit.MONEY,
            Sum(LINES, "discount_minor", "discount_minor"),
            dated_by=PAID,
        ),
        Figure(
            "page_discounts",
            "Discounts of payment pages",
            "what payment pages had taken off orders when they became fully paid, less that of"
            " those canceled later; part of no other figure of sales, which are at the order's"
            " prices" + UNPAID,
            Unit.MONEY,
            Sum(ORDERS, "page_discount_minor", "page_discount_minor"),
            dated_by=f"{PAID}, cancellation",
            since=4,
        ),
        Figure(
            "returns",
            "Returns",
            "goods that came back or whose paid order was canceled, at their price less discount"
            + UNPAID,
            Unit.MONEY,
            Sum(LINES, "return_minor", "return_minor"),
            dated_by="return or cancellation, end of payment",
        ),
        Figure(
            "net_sales",
            "Net sales",
            "gross_sales − discounts − returns",
            Unit.MONEY,
            Total(("gross_sales",), ("discounts", "returns")),
            dated_by="each its own",
        ),
        Figure(
            "shipping",
            "Shipping",
            "shipping of orders that became fully paid, less that of those canceled later" + UNPAID,
            Unit.MONEY,
            Sum(ORDERS, "shipping_minor", "shipping_minor"),
            dated_by=f"{PAID}, cancellation",
        ),
        Figure(
            "taxes",
            "Taxes",
            "taxes of orders that became fully paid, less those of the ones canceled later"
            + UNPAID,
            Unit.MONEY,
            Sum(ORDERS, "tax_minor", "tax_minor"),
            dated_by=f"{PAID}, cancellation",
        ),
        Figure(
            "total_sales",
            "Total sales",
            "net_sales + shipping + taxes",
            Unit.MONEY,
            Total(("net_sales", "shipping", "taxes")),
            dated_by="each its own",
        ),
        Figure(
            "units",
            "Units sold",
            "units of orders that became fully paid, less those that came back or were canceled"
            + UNPAID,
            Unit.UNITS,
            Sum(LINES, "units", "units"),
            dated_by=f"{PAID}, return or cancellation",
        ),
        Figure(
            "product_revenue",
            "Product revenue",
            "what lines brought after their share of the discount and what came back; shares by"
            " largest remainder, so that products add up to net_sales",
            Unit.MONEY,
            Sum(LINES, "gross_minor - discount_minor - return_minor", "revenue_minor"),
            dated_by=f"{PAID}, return or cancellation",
        ),
    ),
    rests_on="captured_payments_to_date",
)
