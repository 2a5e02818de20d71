-- Notices of FlySense to people who are bound to an account.

-- Offset of the account's time from UTC in minutes, as amoCRM told it last; NULL if unknown. Nobody is written to at night.
ALTER TABLE flysense_accounts ADD COLUMN utc_offset_minutes SMALLINT NULL;

-- Notices that were queued: at most one of a kind for a person and day of the account.
CREATE TABLE activation_notices (
    binding_id CHAR(30)    NOT NULL,
    kind       VARCHAR(24) NOT NULL,
    local_day  DATE        NOT NULL,
    message_id CHAR(30)    NOT NULL,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (binding_id, kind, local_day),
    KEY activation_notices_created (created_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
