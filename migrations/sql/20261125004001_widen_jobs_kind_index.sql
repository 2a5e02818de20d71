-- How much waits of each kind, and since when, is read for the metrics every few seconds: from the index alone.
ALTER TABLE jobs
    DROP KEY jobs_kind,
    ADD KEY jobs_kind (kind, state, run_at);
