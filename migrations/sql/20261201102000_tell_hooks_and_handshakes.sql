-- Hooks of amoCRM and handshakes of widgets in the timeline of an install. Expands only: hooks of an earlier release have no request, and
-- its handshakes are not counted.
ALTER TABLE flysense_hooks ADD COLUMN correlation_id VARCHAR(64) NULL;
ALTER TABLE flysense_hooks ADD KEY flysense_hooks_account (account_id, id);

-- Periods in which an install made handshakes without a long break. API processes add to the latest one every few seconds.
CREATE TABLE handshake_periods (
    install_id CHAR(30)        NOT NULL,
    began_at   DATETIME(6)     NOT NULL,
    last_at    DATETIME(6)     NOT NULL,
    handshakes BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (install_id, began_at),
    KEY handshake_periods_age (last_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
