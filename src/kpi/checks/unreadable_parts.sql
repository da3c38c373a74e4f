-- Which parts of Stripe's objects could not be read?
-- severity: low
-- reference: part_id
-- reads: not_understood
-- sentence: The {part_id} of {objects} ({samples}) could not be read: {cause}. All else about them is read.
select
    concat_ws(' ', kind, part) as part_id,
    kind,
    part,
    count(distinct subject_id) as objects,
    min(first_at) as first_at,
    min(cause) as cause,
    array_to_string((array_agg(subject_id order by first_at, subject_id))[1:3], ', ') as samples
from not_understood
where cause <> ''
group by kind, part
