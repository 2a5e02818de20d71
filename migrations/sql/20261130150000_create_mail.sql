-- Notices by e-mail about subscriptions.

-- Offset of the account's time from UTC in minutes, as amoCRM told it last; NULL if unknown. Nobody is written to at night.
ALTER TABLE accounts ADD COLUMN utc_offset_minutes SMALLINT NULL;

-- Notices, stored before they are sent: at most one of a kind for a subscription and day of the account. The address is not
-- stored again: it is that of the latest receipt when the notice is sent.
CREATE TABLE mail_notices (
    id              CHAR(30)    NOT NULL,
    subscription_id CHAR(30)    NOT NULL,
    install_id      CHAR(30)    NOT NULL,
    kind            VARCHAR(24) NOT NULL,
    local_day       DATE        NOT NULL,
    -- What the notice says: JSON of the domain's type.
    facts           TEXT        CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    state           VARCHAR(12) NOT NULL,
    created_at      DATETIME(6) NOT NULL,
    updated_at      DATETIME(6) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY mail_notices_once (subscription_id, kind, local_day),
    KEY mail_notices_created (created_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Which notices an install's account wants, and what is known about its address.
CREATE TABLE mail_preferences (
    install_id  CHAR(30)    NOT NULL,
    -- Kinds of notices that were switched off.
    muted       JSON        NOT NULL,
    -- Invoice or purchase whose address does not exist. A later one is tried again.
    bad_contact CHAR(30)    NULL,
    -- The mail server's code, such as `550 5.1.1`.
    bad_code    VARCHAR(16) NULL,
    updated_at  DATETIME(6) NOT NULL,
    PRIMARY KEY (install_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
