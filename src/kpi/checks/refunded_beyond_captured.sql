-- Which payments gave back more than they brought?
-- severity: high
-- reference: payment_id
-- reads: payments
-- waits: 10 minutes
-- sentence: Payment {payment_id} brought {received_minor} and gave back {refunded_minor}.
select
    payment_id,
    order_id,
    currency,
    state,
    received_minor,
    refunded_minor
from payments
where refunded_minor > received_minor
    -- the payment's event may be a little behind the refund's
    and coalesce(refunded_at, created_at) < %(now)s - %(waits)s
