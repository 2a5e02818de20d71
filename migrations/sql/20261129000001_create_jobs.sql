-- Jobs. A row is inserted in the transaction that requires the work; Redis carries only its id.
--
-- Times are UTC in every table. The default character set is ASCII, compared byte by byte: ids, codes, hashes and
-- sealed values. Columns with human text are utf8mb4.
CREATE TABLE jobs (
    id             CHAR(30)         NOT NULL,
    kind           VARCHAR(64)      NOT NULL,
    queue          VARCHAR(32)      NOT NULL,
    -- Lower values run first.
    priority       TINYINT UNSIGNED NOT NULL,
    payload        JSON             NOT NULL,
    -- queued, running, done, dead, cancelled.
    state          VARCHAR(12)      NOT NULL,
    -- Attempts so far. Counted at the start, so that an attempt that kills its worker counts too.
    attempt        INT UNSIGNED     NOT NULL DEFAULT 0,
    max_attempts   INT UNSIGNED     NOT NULL,
    -- Earliest start.
    run_at         DATETIME(6)      NOT NULL,
    -- When a relay pushes the id to Redis (again): the next wake-up.
    push_at        DATETIME(6)      NOT NULL,
    -- Worker that runs the job, and the end of its exclusive lease.
    lease_owner    VARCHAR(80)      NULL,
    lease_until    DATETIME(6)      NULL,
    -- Fencing token, incremented with every claim: writes with an older number fail.
    fence          BIGINT UNSIGNED  NOT NULL DEFAULT 0,
    -- Number of transactions begun under the job's leases. Each one updates this column, because on a cluster a lock
    -- without a write does not exclude a transaction on another node.
    units_begun    INT UNSIGNED     NOT NULL DEFAULT 0,
    dedup_key      VARCHAR(160)     NULL,
    -- The dedup key while the job waits, NULL after its start: unique among waiting jobs only.
    waiting_key    VARCHAR(160)     NULL,
    -- Tenant: waiting jobs are taken round-robin across tenants.
    tenant         VARCHAR(64)      NULL,
    correlation_id VARCHAR(64)      NOT NULL,
    traceparent    VARCHAR(64)      NULL,
    -- Reason of the last failure, wait or skip.
    last_error     VARCHAR(1000)    CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL,
    created_at     DATETIME(6)      NOT NULL,
    started_at     DATETIME(6)      NULL,
    finished_at    DATETIME(6)      NULL,
    PRIMARY KEY (id),
    UNIQUE KEY jobs_waiting_key (kind, waiting_key),
    KEY jobs_due (state, push_at),
    KEY jobs_leases (state, lease_until),
    KEY jobs_finished (state, finished_at),
    -- Covering index for the metrics of each kind's depth and age, which are read every few seconds.
    KEY jobs_kind (kind, state, run_at),
    KEY jobs_correlation (correlation_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Cron ticks that became jobs. The primary key lets only one scheduler enqueue a tick.
CREATE TABLE cron_ticks (
    name       VARCHAR(64) NOT NULL,
    tick_at    DATETIME(6) NOT NULL,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (name, tick_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
