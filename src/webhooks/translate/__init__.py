"""From Stripe's objects to facts."""
