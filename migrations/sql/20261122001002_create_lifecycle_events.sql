-- What vendors' backends are told. `number` orders the events of a widget without gaps, `sequence` those of an install.
CREATE TABLE lifecycle_events (
    id           CHAR(30)        NOT NULL,
    widget_id    CHAR(30)        NOT NULL,
    number       BIGINT UNSIGNED NOT NULL,
    install_id   CHAR(30)        NOT NULL,
    sequence     BIGINT UNSIGNED NOT NULL,
    type         VARCHAR(16)     NOT NULL,
    account_id   BIGINT UNSIGNED NOT NULL,
    host         VARCHAR(255)    NOT NULL,
    state        VARCHAR(12)     NOT NULL,
    attempts     INT UNSIGNED    NOT NULL DEFAULT 0,
    happened_at  DATETIME(6)     NOT NULL,
    settled_at   DATETIME(6)     NULL,
    PRIMARY KEY (id),
    UNIQUE KEY lifecycle_events_number (widget_id, number),
    UNIQUE KEY lifecycle_events_sequence (install_id, sequence),
    KEY lifecycle_events_state (state, happened_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Every attempt to deliver an event, for the vendor's and our support.
CREATE TABLE lifecycle_attempts (
    id          BIGINT UNSIGNED   NOT NULL AUTO_INCREMENT,
    event_id    CHAR(30)          NOT NULL,
    attempt     INT UNSIGNED      NOT NULL,
    started_at  DATETIME(6)       NOT NULL,
    took_ms     INT UNSIGNED      NOT NULL,
    status      SMALLINT UNSIGNED NULL,
    error       VARCHAR(200)      CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL,
    answer_head TEXT              CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL,
    PRIMARY KEY (id),
    KEY lifecycle_attempts_event (event_id, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
