-- Two project tokens may be valid at once, each event may have an address of its own, and one number per
-- widget orders its events over all installs.
ALTER TABLE widgets
    ADD COLUMN former_token_hash   CHAR(64)          NULL,
    ADD COLUMN former_token_until  DATETIME(6)       NULL,
    ADD COLUMN event_urls          JSON              NULL,
    ADD COLUMN event_secret_sealed TEXT              NULL,
    ADD COLUMN delivery_delays     JSON              NULL,
    ADD COLUMN event_number        BIGINT UNSIGNED   NOT NULL DEFAULT 0,
    ADD COLUMN settings_schema     JSON              NULL,
    ADD COLUMN uses_subscriptions  BOOLEAN           NOT NULL DEFAULT FALSE,
    ADD COLUMN uses_flycoins       BOOLEAN           NOT NULL DEFAULT FALSE,
    ADD COLUMN billing             JSON              NULL,
    ADD COLUMN trial_days          SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    ADD UNIQUE KEY widgets_former_token (former_token_hash);

-- `host_at`: when the account was last known to live there; what was learnt earlier changes nothing.
ALTER TABLE accounts
    ADD COLUMN host_at DATETIME(6) NULL;

-- The status of an install follows from the latest moment of each kind of fact, in whatever order they come.
ALTER TABLE installs
    ADD COLUMN granted_at      DATETIME(6) NULL,
    ADD COLUMN lost_at         DATETIME(6) NULL,
    ADD COLUMN disconnected_at DATETIME(6) NULL,
    ADD COLUMN switched_on_at  DATETIME(6) NULL,
    ADD COLUMN switched_off_at DATETIME(6) NULL;

-- `pair` counts pairs: who spent one writes its successor only over that one.
ALTER TABLE install_tokens
    ADD COLUMN pair       BIGINT UNSIGNED NOT NULL DEFAULT 1,
    ADD COLUMN granted_by BIGINT UNSIGNED NULL,
    ADD KEY install_tokens_idle (state, refreshed_at);

-- What amoCRM was asked with a code and whether an answer came: `intent_at` without a state change means unknown.
ALTER TABLE oauth_codes
    ADD COLUMN intent_at DATETIME(6) NULL;
