-- Marks jobs that were claimed before they could start: if their worker dies, nobody knows whether they began, and the attempt is given
-- back once. Expands only: an earlier release leaves the column as it is, and its claims make the mark void.
ALTER TABLE jobs
    -- Fence number of a claim ahead of the start. The mark holds while `fence` has this number.
    ADD COLUMN ahead_fence BIGINT UNSIGNED NULL;
