-- Durable work. A row is written in the transaction that made it necessary; Redis only carries its id.
CREATE TABLE jobs (
    id             CHAR(30)          NOT NULL,
    kind           VARCHAR(64)       NOT NULL,
    queue          VARCHAR(32)       NOT NULL,
    priority       TINYINT UNSIGNED  NOT NULL,
    payload        JSON              NOT NULL,
    state          VARCHAR(12)       NOT NULL,
    attempt        INT UNSIGNED      NOT NULL DEFAULT 0,
    max_attempts   INT UNSIGNED      NOT NULL,
    run_at         DATETIME(6)       NOT NULL,
    -- When a relay should (again) carry the id of this row to Redis.
    push_at        DATETIME(6)       NOT NULL,
    lease_owner    VARCHAR(80)       NULL,
    lease_until    DATETIME(6)       NULL,
    fence          BIGINT UNSIGNED   NOT NULL DEFAULT 0,
    dedup_key      VARCHAR(160)      NULL,
    -- The dedup key while the row waits, NULL once it started: unique among waiting rows only.
    waiting_key    VARCHAR(160)      NULL,
    -- Whose work it is, for fairness between accounts.
    tenant         VARCHAR(64)       NULL,
    correlation_id VARCHAR(64)       NOT NULL,
    traceparent    VARCHAR(64)       NULL,
    last_error     VARCHAR(1000)     CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL,
    created_at     DATETIME(6)       NOT NULL,
    started_at     DATETIME(6)       NULL,
    finished_at    DATETIME(6)       NULL,
    PRIMARY KEY (id),
    UNIQUE KEY jobs_waiting_key (kind, waiting_key),
    KEY jobs_due (state, push_at),
    KEY jobs_leases (state, lease_until),
    KEY jobs_finished (state, finished_at),
    KEY jobs_kind (kind, state),
    KEY jobs_correlation (correlation_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Ticks of the schedule that were turned into jobs; the primary key is what makes a tick happen once.
CREATE TABLE cron_ticks (
    name       VARCHAR(64) NOT NULL,
    tick_at    DATETIME(6) NOT NULL,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (name, tick_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
