-- Which of Stripe's events could not be read?
-- severity: medium
-- reference: position
-- reads: audit
-- sentence: Event {event_id} ({type}) at position {position} cannot be read: {cause}.
select
    position,
    event_id,
    type,
    cause
from unreadable_events
