-- Vendors' widgets, amoCRM accounts, installs, their OAuth tokens, and events for vendors' backends. Columns named
-- `..._sealed` are encrypted with the key ring.
CREATE TABLE widgets (
    id                   CHAR(30)          NOT NULL,
    code                 VARCHAR(64)       NOT NULL,
    name                 VARCHAR(200)      CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    platform             VARCHAR(12)       NOT NULL,
    -- Client id of the integration in amoCRM.
    client_uuid          CHAR(36)          NOT NULL,
    client_secret_sealed TEXT              NOT NULL,
    redirect_uri         VARCHAR(500)      NOT NULL,
    -- Blind index (HMAC-SHA256) of the project token, by which a backend is found. After a rotation the former token
    -- stays valid until former_token_until.
    project_token_sealed TEXT              NOT NULL,
    project_token_hash   CHAR(64)          NOT NULL,
    former_token_hash    CHAR(64)          NULL,
    former_token_until   DATETIME(6)       NULL,
    -- Event endpoints: the default URL, and URLs by kind of event.
    event_url            VARCHAR(1000)     NULL,
    event_urls           JSON              NULL,
    event_secret_sealed  TEXT              NULL,
    -- Retry delays of deliveries in seconds; NULL for the default.
    delivery_delays      JSON              NULL,
    -- Number of the widget's last event, across all installs.
    event_number         BIGINT UNSIGNED   NOT NULL DEFAULT 0,
    -- JSON Schema of settings, for versions of the widget without one in widget_schemas.
    settings_schema      JSON              NULL,
    uses_subscriptions   BOOLEAN           NOT NULL DEFAULT FALSE,
    uses_flycoins        BOOLEAN           NOT NULL DEFAULT FALSE,
    billing              JSON              NULL,
    trial_days           SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    created_at           DATETIME(6)       NOT NULL,
    updated_at           DATETIME(6)       NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY widgets_code (code),
    UNIQUE KEY widgets_client_uuid (client_uuid),
    UNIQUE KEY widgets_project_token (project_token_hash),
    UNIQUE KEY widgets_former_token (former_token_hash)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- JSON Schema of settings by version of the widget, because pages of older versions keep writing their own fields.
CREATE TABLE widget_schemas (
    widget_id      CHAR(30)    NOT NULL,
    widget_version VARCHAR(32) NOT NULL,
    settings       JSON        NOT NULL,
    updated_at     DATETIME(6) NOT NULL,
    PRIMARY KEY (widget_id, widget_version)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- amoCRM accounts. The id identifies an account; its host and its name may change at any time.
CREATE TABLE accounts (
    platform      VARCHAR(12)     NOT NULL,
    id            BIGINT UNSIGNED NOT NULL,
    host          VARCHAR(255)    NOT NULL,
    -- When the host was last confirmed. Older reports of another host are ignored.
    host_at       DATETIME(6)     NULL,
    -- When amoCRM was last queried for the current host, after the account seemed to have moved.
    host_asked_at DATETIME(6)     NULL,
    api_domain    VARCHAR(255)    NULL,
    name          VARCHAR(255)    CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    created_at    DATETIME(6)     NOT NULL,
    updated_at    DATETIME(6)     NOT NULL,
    PRIMARY KEY (platform, id),
    KEY accounts_host (platform, host)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Installs: a widget in an account.
CREATE TABLE installs (
    id               CHAR(30)        NOT NULL,
    widget_id        CHAR(30)        NOT NULL,
    platform         VARCHAR(12)     NOT NULL,
    account_id       BIGINT UNSIGNED NOT NULL,
    -- Derived from the latest time of each kind of fact below, in whatever order facts arrive.
    status           VARCHAR(16)     NOT NULL,
    granted_at       DATETIME(6)     NULL,
    -- Whether the grant in use has an administrator's rights; NULL if unknown.
    granted_by_admin BOOLEAN         NULL,
    lost_at          DATETIME(6)     NULL,
    disconnected_at  DATETIME(6)     NULL,
    switched_on_at   DATETIME(6)     NULL,
    switched_off_at  DATETIME(6)     NULL,
    -- JSON as written. A text column, because MySQL's JSON type stores numbers as doubles and loses digits, and
    -- MariaDB's JSON type refuses more than 32 levels.
    settings         LONGTEXT        CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    settings_version INT UNSIGNED    NOT NULL DEFAULT 0,
    -- Number of the install's last event. Backends detect missed events by gaps in the numbers.
    event_sequence   BIGINT UNSIGNED NOT NULL DEFAULT 0,
    created_at       DATETIME(6)     NOT NULL,
    updated_at       DATETIME(6)     NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY installs_widget_account (widget_id, account_id),
    KEY installs_account (platform, account_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Every version of an install's settings, including the current one, with author and time.
CREATE TABLE settings_history (
    install_id CHAR(30)     NOT NULL,
    version    INT UNSIGNED NOT NULL,
    settings   LONGTEXT     CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    changed_by VARCHAR(80)  NOT NULL,
    changed_at DATETIME(6)  NOT NULL,
    PRIMARY KEY (install_id, version)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- The token pair of each install.
CREATE TABLE install_tokens (
    install_id     CHAR(30)        NOT NULL,
    access_sealed  TEXT            NOT NULL,
    refresh_sealed TEXT            NOT NULL,
    -- Number of the token pair (optimistic lock): a renewal replaces only the pair whose refresh token it used.
    generation     BIGINT UNSIGNED NOT NULL DEFAULT 1,
    expires_at     DATETIME(6)     NOT NULL,
    refreshed_at   DATETIME(6)     NOT NULL,
    -- The amoCRM user who granted access.
    granted_by     BIGINT UNSIGNED NULL,
    state          VARCHAR(12)     NOT NULL,
    -- Renewal lease: one renewal at a time. Every lease increments the fence; writes with an older fence fail.
    lease_owner    VARCHAR(80)     NULL,
    lease_until    DATETIME(6)     NULL,
    fence          BIGINT UNSIGNED NOT NULL DEFAULT 0,
    -- Earliest next renewal, after a block, a rate limit, an unpaid account or a lost response.
    retry_at       DATETIME(6)     NULL,
    last_error     VARCHAR(500)    CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL,
    PRIMARY KEY (install_id),
    KEY install_tokens_due (state, expires_at),
    KEY install_tokens_idle (state, refreshed_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Audit log of disclosed access tokens: reader, purpose, time. Append-only.
CREATE TABLE token_audit (
    id             BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    install_id     CHAR(30)        NOT NULL,
    reader         VARCHAR(80)     NOT NULL,
    purpose        VARCHAR(64)     NOT NULL,
    correlation_id VARCHAR(64)     NOT NULL,
    read_at        DATETIME(6)     NOT NULL,
    PRIMARY KEY (id),
    KEY token_audit_install (install_id, read_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Authorization codes. amoCRM sends each code once, so it is stored before the request is answered.
CREATE TABLE oauth_codes (
    id                  CHAR(30)        NOT NULL,
    widget_id           CHAR(30)        NOT NULL,
    host                VARCHAR(255)    NOT NULL,
    code_sealed         TEXT            NOT NULL,
    code_hash           CHAR(64)        NOT NULL,
    grant_source        VARCHAR(12)     NOT NULL,
    -- Account from which the user started the reconnect; the tokens must belong to it.
    expected_account_id BIGINT UNSIGNED NULL,
    state               VARCHAR(12)     NOT NULL,
    reason              VARCHAR(500)    CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL,
    -- Start of the first exchange. If set while the code still waits, the outcome of that exchange is unknown.
    intent_at           DATETIME(6)     NULL,
    -- The token pair until its account is known: the code works once, but reading the account may take several attempts.
    pair_sealed         TEXT            NULL,
    pair_at             DATETIME(6)     NULL,
    install_id          CHAR(30)        NULL,
    -- IP address (or /64 network) that sent an unvouched code; NULL for a vouched code. Codes with a source are
    -- exchanged in turns (fair queue).
    source              VARCHAR(45)     NULL,
    -- Successful codes from the same source before this one.
    credit              INT             NOT NULL DEFAULT 0,
    -- Number of turns so far.
    looks               INT             NOT NULL DEFAULT 0,
    -- Earliest time of the next turn.
    next_at             DATETIME(6)     NULL,
    -- Job that currently processes the code's turn.
    served_by           CHAR(30)        NULL,
    -- Whether the host turned out to have no account.
    no_account          BOOLEAN         NOT NULL DEFAULT FALSE,
    received_at         DATETIME(6)     NOT NULL,
    updated_at          DATETIME(6)     NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY oauth_codes_code (code_hash),
    KEY oauth_codes_received (state, received_at),
    KEY oauth_codes_ended (state, updated_at),
    KEY oauth_codes_waiting (widget_id, host, state),
    KEY oauth_codes_turns (state, source, next_at),
    KEY oauth_codes_queue (widget_id, state, received_at),
    KEY oauth_codes_host (host, state, updated_at),
    KEY oauth_codes_served (served_by)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- OAuth `state` values of reconnects in progress: bound to the user who started, valid once.
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

-- Events for vendors' backends. `number` orders a widget's events without gaps, `sequence` those of an install.
CREATE TABLE lifecycle_events (
    id          CHAR(30)        NOT NULL,
    widget_id   CHAR(30)        NOT NULL,
    number      BIGINT UNSIGNED NOT NULL,
    install_id  CHAR(30)        NOT NULL,
    sequence    BIGINT UNSIGNED NOT NULL,
    type        VARCHAR(16)     NOT NULL,
    account_id  BIGINT UNSIGNED NOT NULL,
    host        VARCHAR(255)    NOT NULL,
    state       VARCHAR(12)     NOT NULL,
    attempts    INT UNSIGNED    NOT NULL DEFAULT 0,
    happened_at DATETIME(6)     NOT NULL,
    settled_at  DATETIME(6)     NULL,
    PRIMARY KEY (id),
    UNIQUE KEY lifecycle_events_number (widget_id, number),
    UNIQUE KEY lifecycle_events_sequence (install_id, sequence),
    KEY lifecycle_events_state (state, happened_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Every delivery attempt of an event, for support. `took_ms`: milliseconds until the response or the failure.
CREATE TABLE lifecycle_attempts (
    id          BIGINT UNSIGNED   NOT NULL AUTO_INCREMENT,
    event_id    CHAR(30)          NOT NULL,
    attempt     INT UNSIGNED      NOT NULL,
    started_at  DATETIME(6)       NOT NULL,
    took_ms     INT UNSIGNED      NOT NULL,
    -- HTTP status; NULL without a response.
    status      SMALLINT UNSIGNED NULL,
    error       VARCHAR(200)      CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL,
    -- Beginning of the response body.
    answer_head TEXT              CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL,
    PRIMARY KEY (id),
    KEY lifecycle_attempts_event (event_id, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Circuit breakers of event endpoints. Each URL has its own, so that a failing one does not stop the others.
CREATE TABLE event_endpoints (
    widget_id  CHAR(30)     NOT NULL,
    -- SHA-256 of the URL.
    address    CHAR(64)     NOT NULL DEFAULT '',
    failures   INT UNSIGNED NOT NULL DEFAULT 0,
    open_until DATETIME(6)  NULL,
    updated_at DATETIME(6)  NOT NULL,
    PRIMARY KEY (widget_id, address)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Cache invalidations. API processes poll new rows several times a second and remove the named entries from their caches.
CREATE TABLE cache_invalidations (
    id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    what       VARCHAR(12)     NOT NULL,
    subject    VARCHAR(30)     NOT NULL,
    changed_at DATETIME(6)     NOT NULL,
    PRIMARY KEY (id),
    KEY cache_invalidations_age (changed_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
