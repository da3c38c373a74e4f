-- Which requested refunds were not made for too long?
-- severity: medium
-- reference: refund_request_id
-- reads: refund_requests
-- waits: refund_request
-- sentence: Request {refund_request_id} waits for {open_minor} to go back since {requested_at}. Make the refund of order {order_id} at Stripe, let the service do so (LEDGER_CARRY_OUT_REFUNDS), or withdraw it (ledger refund withdraw).
select
    request_id as refund_request_id,
    order_id,
    currency,
    amount_minor,
    open_minor,
    requested_at
from refund_requests
where state = 'requested'
    and requested_at <= %(now)s - %(refund_request)s
