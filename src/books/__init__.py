"""The books: Stripe's balance in double entry, month by month."""
