-- Portal for vendors: invitations, users, their sessions and recovery codes, and figures of widgets by day. Earlier releases ignore
-- these tables. `audit_log.operator_id` may also name a vendor's user (`vus_…`).
CREATE TABLE vendor_users (
    id                CHAR(30)        NOT NULL,
    -- A user belongs to one vendor for ever.
    vendor_id         CHAR(30)        NOT NULL,
    -- Name to sign in with: the address of the invitation, in lower case.
    email             VARCHAR(64)     NOT NULL,
    name              VARCHAR(120)    CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
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
    UNIQUE KEY vendor_users_email (email),
    KEY vendor_users_vendor (vendor_id, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Recovery codes, each valid once instead of a code of the second factor. SHA-256 of user id and code.
CREATE TABLE vendor_recovery_codes (
    user_id   CHAR(30)    NOT NULL,
    code_hash CHAR(64)    NOT NULL,
    used_at   DATETIME(6) NULL,
    PRIMARY KEY (user_id, code_hash)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

CREATE TABLE vendor_sessions (
    id         CHAR(30)     NOT NULL,
    user_id    CHAR(30)     NOT NULL,
    -- SHA-256 of the cookie. Replaced at each step up, so that an earlier cookie is worth nothing.
    token_hash CHAR(64)     NOT NULL,
    -- password: the second factor is still missing. full: signed in.
    stage      VARCHAR(12)  NOT NULL,
    address    VARCHAR(45)  NOT NULL,
    user_agent VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    -- Last time the second factor was given.
    proved_at  DATETIME(6)  NULL,
    seen_at    DATETIME(6)  NOT NULL,
    expires_at DATETIME(6)  NOT NULL,
    ended_at   DATETIME(6)  NULL,
    created_at DATETIME(6)  NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY vendor_sessions_token (token_hash),
    KEY vendor_sessions_user (user_id, ended_at),
    KEY vendor_sessions_expiry (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Invitations by e-mail. The link holds the id, encrypted; it works once, until it expires or is revoked.
CREATE TABLE vendor_invitations (
    id          CHAR(30)    NOT NULL,
    vendor_id   CHAR(30)    NOT NULL,
    email       VARCHAR(64) NOT NULL,
    -- Login of the operator, or name of the program.
    invited_by  VARCHAR(64) NOT NULL,
    -- State of the letter.
    mail_state  VARCHAR(12) NOT NULL,
    expires_at  DATETIME(6) NOT NULL,
    accepted_at DATETIME(6) NULL,
    revoked_at  DATETIME(6) NULL,
    created_at  DATETIME(6) NOT NULL,
    updated_at  DATETIME(6) NOT NULL,
    PRIMARY KEY (id),
    KEY vendor_invitations_vendor (vendor_id, id),
    KEY vendor_invitations_email (email),
    KEY vendor_invitations_expiry (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Figures of widgets by day (UTC). Unit by figure: number, kopecks or micro-Flycoins.
CREATE TABLE widget_figures (
    widget_id  CHAR(30)    NOT NULL,
    day        DATE        NOT NULL,
    figure     VARCHAR(32) NOT NULL,
    amount     BIGINT      NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (widget_id, day, figure)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Widgets of one vendor.
ALTER TABLE widgets ADD KEY widgets_vendor (vendor_id, code);
