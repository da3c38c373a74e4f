-- Which Stripe events came a second time with another content?
-- severity: high
-- reference: event_id
-- reads: conflicts
-- sentence: Event {event_id} stands at position {stored_position} with SHA-256 {stored_sha256}, and came again by {sources} with {others}. The first content stays.
select
    event_id,
    min(stored_position) as stored_position,
    max(stored_sha256) as stored_sha256,
    string_agg(distinct source, ', ') as sources,
    string_agg(other_sha256, ', ' order by found_at, other_sha256) as others
from conflicts
group by event_id
