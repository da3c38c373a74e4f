"""Everything that speaks Stripe; no other package knows Stripe's field names."""
