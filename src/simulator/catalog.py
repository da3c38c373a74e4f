"""The simulated Stripe's products and prices."""

from simulator.balance import Balance
from simulator.goods import Goods, Item, Price, Product, Tier


class Catalog(Balance):
    """What the shop offers."""

    def new_price(
        self,
        unit_minor: int,
        currency: str,
        interval: str = "month",
        interval_count: int = 1,
        *,
        metered: bool = False,
        options: dict[str, int] | None = None,
        tiers: tuple[Tier, ...] = (),
        name: str | None = None,
    ) -> Price:
        """The shop offers something again and again, or (with the interval "") once.

        Stripe's event of that is not sent.
        """
        price_id, product_id = self._ids.new("price"), f"prod_{self._ids.chance(14)}"
        product = Product(product_id, self.now, name or f"Product {product_id[5:11]}")
        price = Price(
            price_id,
            product_id,
            unit_minor,
            currency,
            interval,
            interval_count,
            metered,
            options or {},
            tiers,
            self.now,
        )
        self._keep("product", product)
        self._keep("price", price)
        return price

    def _new_items(self, goods: Goods) -> list[Item]:
        return [
            Item(f"si_{self._ids.chance(14)}", self.now, price, units) for price, units in goods
        ]

    def _inline(self, amount_minor: int, currency: str) -> Item:
        """One thing at a price of its own, which the shop named in passing."""
        product = Product(f"prod_{self._own_ids.chance(14)}", self.now, "Order")
        price = Price(
            self._own_ids.new("price"),
            product.id,
            amount_minor,
            currency,
            interval="",
            created=self.now,
        )
        self._keep("product", product)
        self._keep("price", price)
        return Item(f"si_{self._own_ids.chance(14)}", self.now, price, 1)
