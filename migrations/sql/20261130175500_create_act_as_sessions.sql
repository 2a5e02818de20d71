-- Operators who see an install's pages as its administrator does: read-only, for half an hour, in one browser.
--
-- Only adds a table: 0.1.0 runs on this schema.
CREATE TABLE act_as_sessions (
    id             CHAR(30)    NOT NULL,
    -- The operator's session in the panel: the view ends with it.
    session_id     CHAR(30)    NOT NULL,
    operator_id    CHAR(30)    NOT NULL,
    operator_login VARCHAR(64) NOT NULL,
    install_id     CHAR(30)    NOT NULL,
    -- Keyed hash of the secret of the browser that opened the link first.
    browser_hash   CHAR(64)    NULL,
    started_at     DATETIME(6) NOT NULL,
    until_at       DATETIME(6) NOT NULL,
    ended_at       DATETIME(6) NULL,
    PRIMARY KEY (id),
    KEY act_as_sessions_session (session_id, ended_at),
    KEY act_as_sessions_age (until_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
