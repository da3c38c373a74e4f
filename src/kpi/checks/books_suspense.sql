-- Which balance transactions wait in suspense for a person to say what they were for?
-- severity: medium
-- reference: transaction_id
-- reads: postings transactions
-- sentence: Transaction {transaction_id} ({kind}) waits in suspense with {held_minor}: say what it was for, as `ledger books classify {transaction_id} --account expenses:misc` with a reason.
with accounts as (
    select distinct account
    from account_days
    where account ~ '(^|:)suspense:'
),
held as (
    select transaction_id, -sum(amount_minor)::bigint as held_minor
    from postings
    where account in (select account from accounts)
    group by transaction_id
    having sum(amount_minor) <> 0
)
select
    h.transaction_id,
    coalesce(t.category, t.type) as kind,
    t.currency,
    t.account,
    h.held_minor,
    t.source_id,
    t.created_at
from held as h
join transactions as t using (transaction_id)
