"""From Stripe to the log: signatures, webhooks, files, Stripe's list of events."""
