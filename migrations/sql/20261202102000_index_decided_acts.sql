-- Decided requests of a second operator, newest decision first: the admin panel lists those of the last 90 days. Expands only.
ALTER TABLE pending_acts ADD KEY pending_acts_decided (decided_at, id);
