-- Which events are of Stripe's other mode, and counted nowhere?
-- severity: medium
-- reference: outcome
-- reads: audit
-- sentence: Events of Stripe's other mode ({outcome}), {events} in number, are counted nowhere, the first at position {first_position}. LEDGER_MODE says which mode counts.
select outcome, count(*) as events, min(position) as first_position
from audit
where outcome = 'other_mode'
group by outcome
