-- What each run of a call costs and how far its payment is, as FlySense knows it. The coins are the platform's:
-- their truth is its ledger.
CREATE TABLE flysense_payments (
    transcription_id CHAR(29)        NOT NULL,
    run              INT UNSIGNED    NOT NULL,
    account_id       BIGINT UNSIGNED NOT NULL,
    state            VARCHAR(12)     NOT NULL,
    -- The work: as planned until there is a result, then as done.
    seconds          BIGINT UNSIGNED NOT NULL,
    summaries        INT UNSIGNED    NOT NULL,
    estimate_micro   BIGINT          NULL,
    estimate         JSON            NULL,
    -- Which hold of the run: one that ran out before the work began is followed by another.
    hold_number      INT UNSIGNED    NOT NULL DEFAULT 1,
    hold_id          CHAR(30)        NULL,
    hold_expires_at  DATETIME(6)     NULL,
    held_micro       BIGINT          NULL,
    charged_micro    BIGINT          NULL,
    transaction_id   CHAR(30)        NULL,
    receipt          JSON            NULL,
    -- Since when the wallet has been short of it, and when to look next; both NULL unless it waits for coins.
    short_since      DATETIME(6)     NULL,
    retry_at         DATETIME(6)     NULL,
    -- Whether the call waited for coins: its recording may be gone.
    was_parked       BOOLEAN         NOT NULL DEFAULT FALSE,
    created_at       DATETIME(6)     NOT NULL,
    updated_at       DATETIME(6)     NOT NULL,
    paid_at          DATETIME(6)     NULL,
    PRIMARY KEY (transcription_id, run),
    KEY flysense_payments_retry (retry_at, account_id),
    KEY flysense_payments_account (account_id, retry_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
