"""`ledger books …`: Stripe's balance in double entry, closed month by month, from the terminal."""

from app.cli.books import looking, settling
from app.cli.books.group import app

__all__ = ["app", "looking", "settling"]
