"""A shop with a past at the simulated Stripe, and the truth about it.

shop         past_shop(seed, years, objects, currencies): years of a shop's life, at one go
agenda       what happens when: sales of today, what follows from them on later days
sales        single payments: by card, on a page, by bank debit, by invoice; what becomes of them
occasions    what else moves the balance: each type of transaction that there is
subscribers  subscriptions: begun, renewed, changed, not paid, canceled
truth        the figures, counted while the past is made, not from Stripe's objects
"""

from simulator.past.shop import UNTIL, PastShop, past_shop
from simulator.past.truth import Figures, Truth

__all__ = ["UNTIL", "Figures", "PastShop", "Truth", "past_shop"]
