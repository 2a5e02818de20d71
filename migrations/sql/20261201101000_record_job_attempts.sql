-- Attempts of jobs that ended without success, for the page of a job. A successful attempt writes nothing here: its times and its worker
-- are in the row of the job, whose `lease_owner` stays when it ends. Expands only: attempts of an earlier release are missing, and so is
-- the worker of a job that it ended.
CREATE TABLE job_attempts (
    job_id     CHAR(30)        NOT NULL,
    -- Fence number under which the attempt ended.
    fence      BIGINT UNSIGNED NOT NULL,
    -- Number of the attempt, from 1; a replay begins again.
    attempt    INT UNSIGNED    NOT NULL,
    -- failed, dead, abandoned, released.
    outcome    VARCHAR(12)     NOT NULL,
    worker     VARCHAR(80)     NULL,
    started_at DATETIME(6)     NULL,
    ended_at   DATETIME(6)     NOT NULL,
    -- Without secrets and personal data, as `jobs.last_error`.
    reason     VARCHAR(1000)   CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL,
    PRIMARY KEY (job_id, fence),
    KEY job_attempts_age (ended_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- How often the job was postponed without counting an attempt: for a limit, for a time, or after a lost race.
ALTER TABLE jobs ADD COLUMN waits INT UNSIGNED NOT NULL DEFAULT 0;
