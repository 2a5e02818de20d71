-- Widgets of vendors, the amoCRM accounts they live in, and the tokens that let us act there.
CREATE TABLE widgets (
    id                    CHAR(30)      NOT NULL,
    code                  VARCHAR(64)   NOT NULL,
    name                  VARCHAR(200)  CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    platform              VARCHAR(12)   NOT NULL,
    client_uuid           CHAR(36)      NOT NULL,
    client_secret_sealed  TEXT          NOT NULL,
    redirect_uri          VARCHAR(500)  NOT NULL,
    project_token_sealed  TEXT          NOT NULL,
    project_token_hash    CHAR(64)      NOT NULL,
    event_url             VARCHAR(1000) NULL,
    created_at            DATETIME(6)   NOT NULL,
    updated_at            DATETIME(6)   NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY widgets_code (code),
    UNIQUE KEY widgets_client_uuid (client_uuid),
    UNIQUE KEY widgets_project_token (project_token_hash)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- An account is known by its number; host and name may change at any time.
CREATE TABLE accounts (
    platform   VARCHAR(12)     NOT NULL,
    id         BIGINT UNSIGNED NOT NULL,
    host       VARCHAR(255)    NOT NULL,
    api_domain VARCHAR(255)    NULL,
    name       VARCHAR(255)    CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    created_at DATETIME(6)     NOT NULL,
    updated_at DATETIME(6)     NOT NULL,
    PRIMARY KEY (platform, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

CREATE TABLE installs (
    id                CHAR(30)        NOT NULL,
    widget_id         CHAR(30)        NOT NULL,
    platform          VARCHAR(12)     NOT NULL,
    account_id        BIGINT UNSIGNED NOT NULL,
    status            VARCHAR(16)     NOT NULL,
    settings          JSON            NOT NULL,
    settings_version  INT UNSIGNED    NOT NULL DEFAULT 0,
    -- Numbers the events sent to the vendor's backend, so that it can tell a gap.
    event_sequence    BIGINT UNSIGNED NOT NULL DEFAULT 0,
    created_at        DATETIME(6)     NOT NULL,
    updated_at        DATETIME(6)     NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY installs_widget_account (widget_id, account_id),
    KEY installs_account (platform, account_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- One pair of tokens per install. `fence` counts rotations and refreshers: who holds an old one writes nothing.
CREATE TABLE install_tokens (
    install_id     CHAR(30)        NOT NULL,
    access_sealed  TEXT            NOT NULL,
    refresh_sealed TEXT            NOT NULL,
    expires_at     DATETIME(6)     NOT NULL,
    refreshed_at   DATETIME(6)     NOT NULL,
    state          VARCHAR(12)     NOT NULL,
    lease_owner    VARCHAR(80)     NULL,
    lease_until    DATETIME(6)     NULL,
    fence          BIGINT UNSIGNED NOT NULL DEFAULT 0,
    last_error     VARCHAR(500)    CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL,
    PRIMARY KEY (install_id),
    KEY install_tokens_due (state, expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Authorization codes: amoCRM never sends one twice, so each is kept before it is answered.
CREATE TABLE oauth_codes (
    id          CHAR(30)     NOT NULL,
    widget_id   CHAR(30)     NOT NULL,
    host        VARCHAR(255) NOT NULL,
    code_sealed TEXT         NOT NULL,
    code_hash   CHAR(64)     NOT NULL,
    way         VARCHAR(12)  NOT NULL,
    state       VARCHAR(12)  NOT NULL,
    reason      VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL,
    install_id  CHAR(30)     NULL,
    received_at DATETIME(6)  NOT NULL,
    updated_at  DATETIME(6)  NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY oauth_codes_code (code_hash),
    KEY oauth_codes_received (state, received_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
