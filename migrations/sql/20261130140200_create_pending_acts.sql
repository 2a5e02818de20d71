-- Acts with money above a limit, which wait for a second operator.
CREATE TABLE pending_acts (
    id              CHAR(30)     NOT NULL,
    -- The act, as the audit log names it: `wallet.credit`.
    action          VARCHAR(48)  NOT NULL,
    subject_id      VARCHAR(120) NOT NULL,
    -- The form as it was sent, as a query string.
    form            TEXT         CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    -- Amount in Russian, for the list.
    amount          VARCHAR(40)  CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    reason          VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    requested_by    CHAR(30)     NOT NULL,
    requested_login VARCHAR(64)  NOT NULL,
    requested_at    DATETIME(6)  NOT NULL,
    -- approved or declined; NULL while it waits.
    outcome         VARCHAR(12)  NULL,
    decided_by      CHAR(30)     NULL,
    decided_at      DATETIME(6)  NULL,
    PRIMARY KEY (id),
    KEY pending_acts_open (outcome, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
