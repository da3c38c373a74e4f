"""Every page of the console, and how to find one of each kind in a world."""

from typing import Any, Final, NamedTuple

from tests.console.browser.world import World


class Place(NamedTuple):
    """A page; `{}` stands for the key of the first item of a list of the API's."""

    path: str
    first_of: str = ""
    key: str = ""
    asked: tuple[tuple[str, Any], ...] = ()

    def address(self, world: World) -> str:
        """Where it is."""
        if not self.first_of:
            return self.path
        return self.path.format(world.one(self.first_of, **dict(self.asked))[self.key])


_TROUBLED: Final = ("/orders", "order_id", (("refund_state", "partial"),))
_SKU: Final = ("/stock", "sku")
_ENTRY: Final = ("/transactions", "transaction_id", (("category", "charge"),))
_ACCOUNT: Final = "/console/books/accounts/income%3Asales?currency=gbp"

PLACES: Final = (
    Place("/console?window=90"),
    Place("/console/orders"),
    Place("/console/orders/{}", *_TROUBLED),
    Place("/console/orders/{}/as-of?step=2", *_TROUBLED),
    Place("/console/orders/{}/timeline", *_TROUBLED),
    Place("/console/orders/{}/explain", *_TROUBLED),
    Place("/console/search?q=nothing"),
    Place("/console/search?q=a"),
    Place("/console/stock"),
    Place("/console/stock/{}", *_SKU),
    Place("/console/stock/{}/history", *_SKU),
    Place("/console/customers"),
    Place("/console/customers/{}", "/customers", "customer_id"),
    Place("/console/payments"),
    Place("/console/payments/{}", "/refunds", "payment_id"),
    Place("/console/payments/links?kind=email-and-amount"),
    Place("/console/refunds"),
    Place("/console/refunds/{}", "/refunds", "refund_id"),
    Place("/console/disputes"),
    Place("/console/disputes/{}", "/disputes", "dispute_id"),
    Place("/console/checkouts"),
    Place("/console/checkouts/{}", "/checkouts", "session_id"),
    Place("/console/subscriptions"),
    Place("/console/subscriptions/{}", "/subscriptions", "subscription_id"),
    Place("/console/invoices"),
    Place("/console/invoices/{}", "/invoices", "invoice_id"),
    Place("/console/payouts"),
    Place("/console/payouts/{}", "/payouts", "payout_id"),
    Place("/console/issues"),
    Place("/console/issues/{}", "/issues", "issue_id"),
    Place("/console/events"),
    Place("/console/events/{}", "/audit", "position", (("actor", "stripe"),)),
    Place("/console/events/unreadable"),
    Place("/console/projections"),
    Place("/console/figures"),
    Place("/console/figures/revenue"),
    Place("/console/figures/refund_rate_value_pct"),
    Place("/console/books"),
    Place("/console/books/accounts"),
    Place(_ACCOUNT),
    Place("/console/books/entries/{}", *_ENTRY),
    Place("/console/books/suspense?kind=adjustment"),
    Place("/console/books/categories"),
    Place("/console/books/periods"),
    Place("/console/exports"),
    Place("/console/wishlists"),
    Place("/console/settings"),
    Place("/console/settings/tokens"),
    Place("/console/start"),
)
