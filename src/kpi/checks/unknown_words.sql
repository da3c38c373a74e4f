-- Which of Stripe's words does this version not know?
-- severity: medium
-- reference: word_id
-- reads: not_understood
-- sentence: This version does not know the {word_id}, which Stripe says of {objects} ({samples}). All else about them is read.
select
    concat_ws(' ', kind, part, word) as word_id,
    kind,
    part,
    word,
    count(*) as objects,
    min(first_at) as first_at,
    array_to_string((array_agg(subject_id order by first_at, subject_id))[1:3], ', ') as samples
from not_understood
where cause = ''
group by kind, part, word
