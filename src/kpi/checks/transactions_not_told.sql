-- Which balance transactions that others name does Stripe not tell?
-- severity: medium
-- reference: transaction_id
-- reads: not_told transactions
-- sentence: Stripe does not tell the balance transaction {transaction_id} ({cause}), so its fee is not known. Check that STRIPE_API_KEY is of the account that made it, then `ledger stripe pull`.
select n.subject_id as transaction_id, n.cause
from not_told as n
where n.kind = 'balance_transaction' and n.times >= 3
    and not exists (
        select
        from transactions as t
        where t.transaction_id = n.subject_id
    )
