-- Erasures of accounts' personal data: who, when, why, and how much of what. They contain no personal data themselves.
--
-- Only adds tables: 0.1.0 runs on this schema.
CREATE TABLE account_erasures (
    id               CHAR(30)         NOT NULL,
    platform         VARCHAR(12)      NOT NULL,
    account_id       BIGINT UNSIGNED  NOT NULL,
    -- The domain that was typed to confirm it.
    host             VARCHAR(255)     NOT NULL,
    -- NULL: a command on the server.
    operator_id      CHAR(30)         NULL,
    operator_login   VARCHAR(64)      NOT NULL,
    -- Login of the second operator.
    approved_login   VARCHAR(64)      NULL,
    reason           VARCHAR(500)     CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    address          VARCHAR(45)      NOT NULL,
    correlation_id   VARCHAR(64)      NOT NULL,
    -- running, done or stopped.
    state            VARCHAR(12)      NOT NULL,
    -- 1 while it runs, otherwise NULL: an account has one running erasure at most.
    open_slot        TINYINT UNSIGNED NULL,
    -- End of the part of each side: FlySense's calls, the platform's customer.
    calls_done_at    DATETIME(6)      NULL,
    customer_done_at DATETIME(6)      NULL,
    requested_at     DATETIME(6)      NOT NULL,
    finished_at      DATETIME(6)      NULL,
    PRIMARY KEY (id),
    UNIQUE KEY account_erasures_open (platform, account_id, open_slot),
    KEY account_erasures_account (account_id, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- How much was erased of each kind, written in the transactions that erase it.
CREATE TABLE account_erasure_counts (
    erasure_id CHAR(30)        NOT NULL,
    kind       VARCHAR(24)     NOT NULL,
    erased     BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (erasure_id, kind)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
