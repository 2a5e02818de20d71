-- `state` values of reconnects under way: bound to who began, good once.
CREATE TABLE connect_states (
    state_hash CHAR(64)        NOT NULL,
    widget_id  CHAR(30)        NOT NULL,
    account_id BIGINT UNSIGNED NULL,
    user_id    BIGINT UNSIGNED NULL,
    created_at DATETIME(6)     NOT NULL,
    expires_at DATETIME(6)     NOT NULL,
    used_at    DATETIME(6)     NULL,
    PRIMARY KEY (state_hash),
    KEY connect_states_expiry (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
