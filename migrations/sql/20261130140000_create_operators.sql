-- Admin panel: operators, their sessions and lock-outs, the audit log of their acts, saved views, and daily figures of the
-- dashboard; indexes for the panel's lists.
CREATE TABLE operators (
    id                CHAR(30)        NOT NULL,
    login             VARCHAR(64)     NOT NULL,
    name              VARCHAR(120)    CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    role              VARCHAR(12)     NOT NULL,
    -- Argon2id in PHC string format.
    password_hash     VARCHAR(255)    NOT NULL,
    -- Secret of the second factor, encrypted with the key ring. It counts once it is confirmed.
    totp_sealed       TEXT            NULL,
    totp_confirmed_at DATETIME(6)     NULL,
    -- Last time step whose code was accepted: only codes of later steps are accepted.
    totp_step         BIGINT UNSIGNED NOT NULL DEFAULT 0,
    disabled_at       DATETIME(6)     NULL,
    created_at        DATETIME(6)     NOT NULL,
    updated_at        DATETIME(6)     NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY operators_login (login)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Recovery codes, each valid once instead of a code of the second factor. SHA-256 of operator id and code.
CREATE TABLE operator_recovery_codes (
    operator_id CHAR(30)    NOT NULL,
    code_hash   CHAR(64)    NOT NULL,
    used_at     DATETIME(6) NULL,
    PRIMARY KEY (operator_id, code_hash)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

CREATE TABLE operator_sessions (
    id          CHAR(30)     NOT NULL,
    operator_id CHAR(30)     NOT NULL,
    -- SHA-256 of the cookie. Replaced at each step up, so that an earlier cookie is worth nothing.
    token_hash  CHAR(64)     NOT NULL,
    -- password: the second factor is still missing. full: signed in.
    stage       VARCHAR(12)  NOT NULL,
    address     VARCHAR(45)  NOT NULL,
    user_agent  VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    -- Last time the second factor was given.
    proved_at   DATETIME(6)  NULL,
    seen_at     DATETIME(6)  NOT NULL,
    expires_at  DATETIME(6)  NOT NULL,
    ended_at    DATETIME(6)  NULL,
    created_at  DATETIME(6)  NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY operator_sessions_token (token_hash),
    KEY operator_sessions_operator (operator_id, ended_at),
    KEY operator_sessions_expiry (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Attempts to sign in, per account and per address.
CREATE TABLE login_attempts (
    subject      VARCHAR(120) NOT NULL,
    attempts     INT UNSIGNED NOT NULL DEFAULT 0,
    first_at     DATETIME(6)  NOT NULL,
    locked_until DATETIME(6)  NULL,
    PRIMARY KEY (subject),
    KEY login_attempts_age (first_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Acts of operators, inserted in the transaction of the change. Append-only.
CREATE TABLE audit_log (
    id             CHAR(30)        NOT NULL,
    -- NULL: a command on the server.
    operator_id    CHAR(30)        NULL,
    operator_login VARCHAR(64)     NOT NULL,
    action         VARCHAR(48)     NOT NULL,
    subject_kind   VARCHAR(24)     NOT NULL,
    subject_id     VARCHAR(120)    NOT NULL,
    reason         VARCHAR(500)    CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    -- JSON as text, because the hash below needs the exact bytes.
    state_before   MEDIUMTEXT      CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    state_after    MEDIUMTEXT      CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    address        VARCHAR(45)     NOT NULL,
    correlation_id VARCHAR(64)     NOT NULL,
    happened_at    DATETIME(6)     NOT NULL,
    -- Place in the hash chain, and SHA-256 of this row and the previous hash; NULL until a job has sealed the row.
    chain_number   BIGINT UNSIGNED NULL,
    chain_hash     CHAR(64)        NULL,
    PRIMARY KEY (id),
    UNIQUE KEY audit_log_chain (chain_number),
    KEY audit_log_subject (subject_kind, subject_id, id),
    KEY audit_log_operator (operator_id, id),
    KEY audit_log_action (action, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Saved filters of lists, of one operator or shared with all.
CREATE TABLE saved_views (
    id          CHAR(30)     NOT NULL,
    operator_id CHAR(30)     NOT NULL,
    list        VARCHAR(32)  NOT NULL,
    name        VARCHAR(80)  CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    -- The query string of the list.
    query       VARCHAR(1000) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    shared      BOOLEAN      NOT NULL,
    created_at  DATETIME(6)  NOT NULL,
    PRIMARY KEY (id),
    KEY saved_views_list (list, operator_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Figures of the dashboard by day (UTC). Unit by figure: number, kopecks, micro-Flycoins or milliseconds.
CREATE TABLE daily_figures (
    figure     VARCHAR(32) NOT NULL,
    day        DATE        NOT NULL,
    amount     BIGINT      NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (figure, day)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Lists of one state, newest first, and calls of one account.
ALTER TABLE installs ADD KEY installs_status (status, id);
ALTER TABLE lifecycle_events ADD KEY lifecycle_events_state_id (state, id);
ALTER TABLE coin_purchases ADD KEY coin_purchases_state (state, id), ADD KEY coin_purchases_payment_id (payment_id);
ALTER TABLE transcriptions ADD KEY transcriptions_state_id (state, id), ADD KEY transcriptions_account (account_id, id),
    ADD KEY transcriptions_note_id (note_id);
