-- Fewer index entries per state of a job. Each claim and each end moved a row in five indexes, now in two:
--
-- - `push_at` of an ended job is the time of its end, so `jobs_due` finds old jobs too (was `jobs_finished`).
-- - Expired leases are found among the running jobs of `jobs_due`, which are few (was `jobs_leases`).
-- - `jobs_due` contains what relays and metrics read, so that neither reads rows (was `jobs_kind`).
-- - `jobs_kind` finds jobs of a kind for the panel, in the order of its lists. It does not change with the state.
--
-- Way back: 0.1.0. It names none of the indexes; it prunes jobs and counts waiting ones more slowly.
ALTER TABLE jobs
    DROP KEY jobs_leases,
    DROP KEY jobs_finished,
    DROP KEY jobs_kind,
    DROP KEY jobs_due,
    ADD KEY jobs_kind (kind, id),
    ADD KEY jobs_due (state, push_at, queue, priority, tenant, kind, run_at);
