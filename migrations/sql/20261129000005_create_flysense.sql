-- FlySense's copy of the accounts in which it is installed. FlySense never reads the platform's tables.
CREATE TABLE flysense_accounts (
    account_id       BIGINT UNSIGNED NOT NULL,
    install_id       CHAR(30)        NOT NULL,
    host             VARCHAR(255)    NOT NULL,
    status           VARCHAR(16)     NOT NULL,
    -- Sequence number of the last applied lifecycle event; older events are ignored.
    last_event       BIGINT UNSIGNED NOT NULL DEFAULT 0,
    -- Role of the speaker in the left channel of a stereo recording.
    left_channel     VARCHAR(12)     NOT NULL,
    -- Whether new calls are transcribed automatically, and since when.
    auto             BOOLEAN         NOT NULL,
    auto_since       DATETIME(6)     NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    hooks_state      VARCHAR(16)     NOT NULL,
    -- Key that signed the URL of amoCRM's webhook, and when the webhook was last checked.
    hooks_key        VARCHAR(32)     NULL,
    hooks_checked_at DATETIME(6)     NULL,
    -- End of the period in which the account's calls were reconciled, to find calls whose webhooks were lost.
    reconciled_until DATETIME(6)     NULL,
    -- Number of comparisons for duplicate calls. Each comparison writes the row, so that comparisons of two notes of one
    -- call are serialized on a cluster too.
    calls_compared   BIGINT UNSIGNED NOT NULL DEFAULT 0,
    created_at       DATETIME(6)     NOT NULL,
    updated_at       DATETIME(6)     NOT NULL,
    PRIMARY KEY (account_id),
    UNIQUE KEY flysense_accounts_install (install_id),
    KEY flysense_accounts_status (status, account_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- amoCRM's webhooks, stored as received before they are answered.
CREATE TABLE flysense_hooks (
    id          CHAR(30)        NOT NULL,
    account_id  BIGINT UNSIGNED NOT NULL,
    body        MEDIUMBLOB      NOT NULL,
    state       VARCHAR(12)     NOT NULL,
    received_at DATETIME(6)     NOT NULL,
    PRIMARY KEY (id),
    KEY flysense_hooks_received (state, received_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Transcriptions: processing of a call from the recording to the transcript.
CREATE TABLE transcriptions (
    id                CHAR(29)          NOT NULL,
    account_id        BIGINT UNSIGNED   NOT NULL,
    install_id        CHAR(30)          NOT NULL,
    entity_type       VARCHAR(12)       NOT NULL,
    entity_id         BIGINT UNSIGNED   NOT NULL,
    note_id           BIGINT UNSIGNED   NOT NULL,
    -- Hash of the telephony system's call id and the phone number, because one call may have notes on several cards.
    call_key          CHAR(64)          NULL,
    requested_by      BIGINT UNSIGNED   NULL,
    state             VARCHAR(24)       NOT NULL,
    -- Reason of waiting.
    waits_for         VARCHAR(24)       NULL,
    -- Reason of the failure; the cause is more specific than the code.
    failure_code      VARCHAR(40)       NULL,
    failure_cause     VARCHAR(32)       NULL,
    -- Number of the run: a request after a failure starts the next run.
    run               INT UNSIGNED      NOT NULL DEFAULT 1,
    -- Runs started within a day, which begins with its first run.
    runs_since        DATETIME(6)       NULL,
    runs_counted      INT UNSIGNED      NOT NULL DEFAULT 0,
    -- Data of the call note.
    direction         VARCHAR(12)       NULL,
    called_at         DATETIME(6)       NULL,
    note_duration_s   INT UNSIGNED      NULL,
    -- Version of the recording that the run uses. A recording may be read before the telephony system has finished it.
    -- Each version has separate files.
    recording_version INT UNSIGNED      NOT NULL DEFAULT 1,
    -- Results of decoding.
    duration_ms       BIGINT UNSIGNED   NULL,
    channels          SMALLINT UNSIGNED NULL,
    layout            VARCHAR(16)       NULL,
    container         VARCHAR(12)       NULL,
    -- Whether the recording ends before the call.
    partial           BOOLEAN           NOT NULL DEFAULT FALSE,
    -- The audio in object storage and its recognition at SpeechKit.
    object_key        VARCHAR(200)      NULL,
    operation_id      VARCHAR(64)       NULL,
    submits           INT UNSIGNED      NOT NULL DEFAULT 0,
    submitted_at      DATETIME(6)       NULL,
    poll_until        DATETIME(6)       NULL,
    billed_seconds    INT UNSIGNED      NULL,
    -- The result and users' edits.
    left_channel      VARCHAR(12)       NOT NULL,
    roles_swapped     BOOLEAN           NOT NULL DEFAULT FALSE,
    tags              JSON              NOT NULL,
    summary           MEDIUMTEXT        CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL,
    summary_source    VARCHAR(24)       NULL,
    summary_edited_by BIGINT UNSIGNED   NULL,
    sentiment         VARCHAR(12)       NULL,
    -- Number of edits (optimistic lock): an edit of an older version is refused.
    version           INT UNSIGNED      NOT NULL DEFAULT 0,
    correlation_id    VARCHAR(64)       NOT NULL,
    -- Trace context of the request, for jobs that start after it has ended.
    traceparent       VARCHAR(64)       NULL,
    created_at        DATETIME(6)       NOT NULL,
    updated_at        DATETIME(6)       NOT NULL,
    finished_at       DATETIME(6)       NULL,
    PRIMARY KEY (id),
    UNIQUE KEY transcriptions_note (account_id, note_id),
    KEY transcriptions_entity (account_id, entity_type, entity_id, created_at),
    KEY transcriptions_call (account_id, call_key),
    KEY transcriptions_state (state, updated_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Transcripts: results of recognition. Separate from `transcriptions`, because they are large and written once per run.
CREATE TABLE transcripts (
    transcription_id CHAR(29)    NOT NULL,
    utterances       LONGTEXT    CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    analysis         LONGTEXT    CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    created_at       DATETIME(6) NOT NULL,
    PRIMARY KEY (transcription_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Start and end of each stage of a run.
CREATE TABLE transcription_stages (
    transcription_id CHAR(29)     NOT NULL,
    run              INT UNSIGNED NOT NULL,
    stage            VARCHAR(24)  NOT NULL,
    started_at       DATETIME(6)  NOT NULL,
    ended_at         DATETIME(6)  NOT NULL,
    PRIMARY KEY (transcription_id, run, stage)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- FlySense's record of each run's cost and payment. Columns named `..._micro` are micro-Flycoins. The platform's ledger
-- is authoritative for held and charged amounts.
CREATE TABLE flysense_payments (
    transcription_id CHAR(29)        NOT NULL,
    run              INT UNSIGNED    NOT NULL,
    account_id       BIGINT UNSIGNED NOT NULL,
    state            VARCHAR(12)     NOT NULL,
    -- Billed quantities: planned until there is a result, then actual.
    seconds          BIGINT UNSIGNED NOT NULL,
    summaries        INT UNSIGNED    NOT NULL,
    estimate_micro   BIGINT          NULL,
    estimate         JSON            NULL,
    -- Number of the run's hold: a hold that expires before the work begins is replaced by the next one.
    hold_number      INT UNSIGNED    NOT NULL DEFAULT 1,
    hold_id          CHAR(30)        NULL,
    hold_expires_at  DATETIME(6)     NULL,
    held_micro       BIGINT          NULL,
    charged_micro    BIGINT          NULL,
    transaction_id   CHAR(30)        NULL,
    receipt          JSON            NULL,
    -- Start of waiting for coins, and the next retry; both NULL unless the run waits for coins.
    short_since      DATETIME(6)     NULL,
    retry_at         DATETIME(6)     NULL,
    -- Whether the run has waited for coins. Its recording may then have been deleted.
    was_parked       BOOLEAN         NOT NULL DEFAULT FALSE,
    created_at       DATETIME(6)     NOT NULL,
    updated_at       DATETIME(6)     NOT NULL,
    paid_at          DATETIME(6)     NULL,
    PRIMARY KEY (transcription_id, run),
    KEY flysense_payments_retry (retry_at, account_id),
    KEY flysense_payments_account (account_id, retry_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
