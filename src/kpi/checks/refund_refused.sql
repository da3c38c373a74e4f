-- Which requested refunds does Stripe refuse, and nothing was done about it?
-- severity: high
-- reference: refund_request_id
-- reads: refund_requests
-- sentence: Stripe does not make {open_minor} of request {refund_request_id} for order {order_id}: {refused_because} Ask for what can go back (ledger order refund), make it at Stripe, or withdraw it (ledger refund withdraw).
select
    request_id as refund_request_id,
    order_id,
    currency,
    amount_minor,
    open_minor,
    refused_because,
    refused_at
from refund_requests
where state = 'refused'
    and open_minor > 0
