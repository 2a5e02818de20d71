-- FlySense's own view of the accounts it works in. It never reads the platform's tables.
CREATE TABLE flysense_accounts (
    account_id   BIGINT UNSIGNED NOT NULL,
    install_id   CHAR(30)        NOT NULL,
    host         VARCHAR(255)    NOT NULL,
    status       VARCHAR(16)     NOT NULL,
    last_event   BIGINT UNSIGNED NOT NULL DEFAULT 0,
    left_channel VARCHAR(12)     NOT NULL,
    auto         BOOLEAN         NOT NULL,
    hooks_state  VARCHAR(16)     NOT NULL,
    created_at   DATETIME(6)     NOT NULL,
    updated_at   DATETIME(6)     NOT NULL,
    PRIMARY KEY (account_id),
    UNIQUE KEY flysense_accounts_install (install_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Hook deliveries of amoCRM, raw, kept before they are answered.
CREATE TABLE flysense_hooks (
    id          CHAR(30)        NOT NULL,
    account_id  BIGINT UNSIGNED NOT NULL,
    body        MEDIUMBLOB      NOT NULL,
    state       VARCHAR(12)     NOT NULL,
    received_at DATETIME(6)     NOT NULL,
    PRIMARY KEY (id),
    KEY flysense_hooks_received (state, received_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- A call's way from recording to transcript.
CREATE TABLE transcriptions (
    id                CHAR(29)        NOT NULL,
    account_id        BIGINT UNSIGNED NOT NULL,
    install_id        CHAR(30)        NOT NULL,
    entity_type       VARCHAR(12)     NOT NULL,
    entity_id         BIGINT UNSIGNED NOT NULL,
    note_id           BIGINT UNSIGNED NOT NULL,
    state             VARCHAR(24)     NOT NULL,
    failure_code      VARCHAR(40)     NULL,
    -- Which request this is of the same note: asking again after a failure starts another run.
    run               INT UNSIGNED    NOT NULL DEFAULT 1,
    requested_by      BIGINT UNSIGNED NULL,
    direction         VARCHAR(12)     NULL,
    called_at         DATETIME(6)     NULL,
    duration_ms       BIGINT UNSIGNED NULL,
    channels          SMALLINT UNSIGNED NULL,
    layout            VARCHAR(16)     NULL,
    container         VARCHAR(12)     NULL,
    partial           BOOLEAN         NOT NULL DEFAULT FALSE,
    object_key        VARCHAR(200)    NULL,
    operation_id      VARCHAR(64)     NULL,
    submits           INT UNSIGNED    NOT NULL DEFAULT 0,
    submitted_at      DATETIME(6)     NULL,
    poll_until        DATETIME(6)     NULL,
    billed_seconds    INT UNSIGNED    NULL,
    left_channel      VARCHAR(12)     NOT NULL,
    roles_swapped     BOOLEAN         NOT NULL DEFAULT FALSE,
    tags              JSON            NOT NULL,
    summary           MEDIUMTEXT      CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL,
    summary_source    VARCHAR(24)     NULL,
    summary_edited_by BIGINT UNSIGNED NULL,
    sentiment         VARCHAR(12)     NULL,
    version           INT UNSIGNED    NOT NULL DEFAULT 0,
    correlation_id    VARCHAR(64)     NOT NULL,
    created_at        DATETIME(6)     NOT NULL,
    updated_at        DATETIME(6)     NOT NULL,
    finished_at       DATETIME(6)     NULL,
    PRIMARY KEY (id),
    UNIQUE KEY transcriptions_note (account_id, note_id),
    KEY transcriptions_entity (account_id, entity_type, entity_id, created_at),
    KEY transcriptions_state (state, updated_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- What recognition gave: the raw stream's folding, large and written once per run.
CREATE TABLE transcripts (
    transcription_id CHAR(29)    NOT NULL,
    utterances       LONGTEXT    CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    analysis         LONGTEXT    CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    created_at       DATETIME(6) NOT NULL,
    PRIMARY KEY (transcription_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- How long each stage took, for people who wait and for benches.
CREATE TABLE transcription_stages (
    transcription_id CHAR(29)        NOT NULL,
    run              INT UNSIGNED    NOT NULL,
    stage            VARCHAR(24)     NOT NULL,
    started_at       DATETIME(6)     NOT NULL,
    ended_at         DATETIME(6)     NOT NULL,
    PRIMARY KEY (transcription_id, run, stage)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
