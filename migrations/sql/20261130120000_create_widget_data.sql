-- Data of FlySense's widget: records of amoCRM's feed, labels and their corrections, waveforms, the dictionary of tags,
-- copies of recordings for the player, and an index for statistics.

-- Records of amoCRM's feed are named by the id of an event. The note behind it is read from amoCRM once.
CREATE TABLE flysense_events (
    account_id   BIGINT UNSIGNED NOT NULL,
    event_id     VARCHAR(32)     NOT NULL,
    -- `pending`, `resolved`, or `absent`: amoCRM has no such event, or it is not about a call.
    state        VARCHAR(12)     NOT NULL,
    entity_type  VARCHAR(12)     NULL,
    entity_id    BIGINT UNSIGNED NULL,
    note_id      BIGINT UNSIGNED NULL,
    -- The user who asked for a transcription before the note was known.
    requested_by BIGINT UNSIGNED NULL,
    requested_at DATETIME(6)     NULL,
    -- Number of answers of amoCRM that the event does not exist. A new event may appear in the log late.
    misses       INT UNSIGNED    NOT NULL DEFAULT 0,
    created_at   DATETIME(6)     NOT NULL,
    updated_at   DATETIME(6)     NOT NULL,
    PRIMARY KEY (account_id, event_id),
    KEY flysense_events_state (account_id, state, requested_at),
    KEY flysense_events_note (account_id, note_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- What the recogniser heard, in short, and what users changed about it. The summary as it was before the first edit.
ALTER TABLE transcriptions
    ADD COLUMN labels JSON NULL,
    ADD COLUMN labels_added JSON NULL,
    ADD COLUMN labels_removed JSON NULL,
    ADD COLUMN summary_written MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL,
    ADD KEY transcriptions_created (account_id, created_at);

-- Loudness of a recording in bins of equal length, one byte each: 0 to 100. Written when the recording is decoded.
CREATE TABLE transcription_waveforms (
    transcription_id CHAR(29)        NOT NULL,
    duration_ms      BIGINT UNSIGNED NOT NULL,
    peaks            VARBINARY(1000) NOT NULL,
    created_at       DATETIME(6)     NOT NULL,
    PRIMARY KEY (transcription_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- The account's own tags, for autocomplete. `tag_key` is the tag in lower case, with `е` for `ё`.
CREATE TABLE flysense_tags (
    account_id BIGINT UNSIGNED NOT NULL,
    tag_key    VARCHAR(60)     CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    text       VARCHAR(60)     CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    uses       INT UNSIGNED    NOT NULL,
    used_at    DATETIME(6)     NOT NULL,
    PRIMARY KEY (account_id, tag_key),
    KEY flysense_tags_uses (account_id, uses)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Copies of recordings that browsers can play and seek, for hosts or formats that do not allow it. Kept for a while.
CREATE TABLE flysense_playback_copies (
    transcription_id CHAR(29)        NOT NULL,
    account_id       BIGINT UNSIGNED NOT NULL,
    -- `preparing`, `ready` or `failed`.
    state            VARCHAR(12)     NOT NULL,
    object_key       VARCHAR(200)    NULL,
    media_type       VARCHAR(40)     NULL,
    bytes            BIGINT UNSIGNED NULL,
    -- Why there is no copy: code and cause of a failure, as of a transcription.
    failure_code     VARCHAR(40)     NULL,
    failure_cause    VARCHAR(32)     NULL,
    -- End of the copy, or of waiting before the next attempt.
    expires_at       DATETIME(6)     NOT NULL,
    created_at       DATETIME(6)     NOT NULL,
    updated_at       DATETIME(6)     NOT NULL,
    PRIMARY KEY (transcription_id),
    KEY flysense_playback_copies_expiry (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
