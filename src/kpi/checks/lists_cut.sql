-- Which lists within Stripe's objects were cut short, and not read to their ends?
-- severity: low
-- reference: part_id
-- reads: cut_lists
-- waits: 1 hour
-- sentence: Stripe shows only the first elements of {part_id} of {objects} objects, such as {examples}. `ledger stripe pull` reads the rest.
select
    kind || '/' || part as part_id,
    count(*) as objects,
    array_to_string((array_agg(subject_id order by subject_id))[:5], ', ') as examples
from cut_lists
where cut and first_at < %(now)s - %(waits)s
group by 1
