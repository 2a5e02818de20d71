-- Activation of FlySense through its bots in messengers, and messages of the bots.

-- Whether new installs of a widget stay inactive until its backend switches them on.
ALTER TABLE widgets ADD COLUMN starts_switched_off BOOLEAN NOT NULL DEFAULT FALSE;

-- Bots by messenger, as the messenger last described them.
CREATE TABLE bots (
    messenger    VARCHAR(12)     NOT NULL,
    username     VARCHAR(64)     NOT NULL,
    -- Keyed hash of URL and secret of the webhook that was set last. Another hash sets it again.
    webhook_hash CHAR(64)        NOT NULL,
    -- Updates that wait for delivery, and the last failed delivery; NULL if the messenger does not tell.
    pending      BIGINT UNSIGNED NULL,
    last_error   VARCHAR(300)    CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL,
    checked_at   DATETIME(6)     NOT NULL,
    PRIMARY KEY (messenger)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Updates of messengers, stored before they are answered. They contain phone numbers and tokens, so they are sealed.
CREATE TABLE bot_updates (
    id          CHAR(30)     NOT NULL,
    messenger   VARCHAR(12)  NOT NULL,
    -- Identifies repeated deliveries of an update.
    update_key  VARCHAR(100) NOT NULL,
    -- Dialogue of the update; NULL if it concerns none. Updates of a dialogue are handled in order.
    chat_id     BIGINT       NULL,
    body_sealed MEDIUMTEXT   NOT NULL,
    state       VARCHAR(12)  NOT NULL,
    received_at DATETIME(6)  NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY bot_updates_once (messenger, update_key),
    KEY bot_updates_chat (messenger, chat_id, state, id),
    KEY bot_updates_received (received_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Dialogues: the row is written by every update, which serialises the updates of a dialogue.
CREATE TABLE bot_chats (
    messenger   VARCHAR(12)     NOT NULL,
    chat_id     BIGINT          NOT NULL,
    -- Number of handled updates.
    updates     BIGINT UNSIGNED NOT NULL DEFAULT 0,
    -- Wrong short codes within a window, which begins with the first of them.
    wrong_codes INT UNSIGNED    NOT NULL DEFAULT 0,
    codes_since DATETIME(6)     NULL,
    updated_at  DATETIME(6)     NOT NULL,
    PRIMARY KEY (messenger, chat_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Messages of the bots, stored before they are sent. A message whose outcome is unknown is not sent again.
CREATE TABLE bot_messages (
    id         CHAR(30)    NOT NULL,
    messenger  VARCHAR(12) NOT NULL,
    chat_id    BIGINT      NOT NULL,
    body       MEDIUMTEXT  CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    state      VARCHAR(12) NOT NULL,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (id),
    KEY bot_messages_created (created_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Links with which administrators activate FlySense. Token and short code are stored as keyed hashes and used once.
CREATE TABLE activation_links (
    id                CHAR(30)        NOT NULL,
    account_id        BIGINT UNSIGNED NOT NULL,
    install_id        CHAR(30)        NOT NULL,
    -- User of amoCRM who created the link; the name is read from amoCRM afterwards.
    user_id           BIGINT UNSIGNED NOT NULL,
    user_name         VARCHAR(255)    CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL,
    token_hash        CHAR(64)        NOT NULL,
    code_hash         CHAR(64)        NOT NULL,
    state             VARCHAR(12)     NOT NULL,
    -- Why activation failed.
    failure           VARCHAR(24)     NULL,
    expires_at        DATETIME(6)     NOT NULL,
    code_expires_at   DATETIME(6)     NOT NULL,
    -- First person who opened the link. Nobody else may use it.
    messenger         VARCHAR(12)     NULL,
    messenger_user_id BIGINT          NULL,
    chat_id           BIGINT          NULL,
    -- Binding that the link led to.
    binding_id        CHAR(30)        NULL,
    created_at        DATETIME(6)     NOT NULL,
    updated_at        DATETIME(6)     NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY activation_links_token (token_hash),
    UNIQUE KEY activation_links_code (code_hash),
    KEY activation_links_user (account_id, user_id, created_at),
    KEY activation_links_chat (messenger, chat_id, state),
    KEY activation_links_created (created_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- People who confirmed their phone number in a bot. Bound by the messenger's number: user names may change hands.
CREATE TABLE activation_bindings (
    id                CHAR(30)        NOT NULL,
    account_id        BIGINT UNSIGNED NOT NULL,
    install_id        CHAR(30)        NOT NULL,
    user_id           BIGINT UNSIGNED NOT NULL,
    messenger         VARCHAR(12)     NOT NULL,
    messenger_user_id BIGINT          NOT NULL,
    chat_id           BIGINT          NOT NULL,
    person            VARCHAR(255)    CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    phone_sealed      TEXT            NOT NULL,
    phone_masked      VARCHAR(24)     NOT NULL,
    state             VARCHAR(12)     NOT NULL,
    -- Kinds of notices that the person switched off.
    muted             JSON            NOT NULL,
    -- When the person consented to the processing of the number, by sending it after the text about it.
    consented_at      DATETIME(6)     NOT NULL,
    updated_at        DATETIME(6)     NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY activation_bindings_person (account_id, messenger, messenger_user_id),
    KEY activation_bindings_chat (messenger, chat_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
