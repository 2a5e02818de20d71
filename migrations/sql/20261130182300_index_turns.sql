-- Index for relays: with a backlog they read the first waiting jobs of each tenant instead of the whole backlog. Statements name
-- the indexes `jobs_turns` and `jobs_due`; a release that removes one first stops naming it.
ALTER TABLE jobs ADD KEY jobs_turns (state, queue, priority, tenant, push_at, id);
