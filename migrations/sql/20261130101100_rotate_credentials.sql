-- Replaced project tokens and event secrets that stay valid until a stated time, any number at once; a choice of whether
-- events carry the project token.
CREATE TABLE former_project_tokens (
    -- Blind index (HMAC-SHA256) of the token.
    token_hash   CHAR(64)    NOT NULL,
    widget_id    CHAR(30)    NOT NULL,
    -- Sealed as the widget's current token; NULL for tokens that 0.1.0 replaced.
    token_sealed TEXT        NULL,
    valid_until  DATETIME(6) NOT NULL,
    -- When the backend first authenticated with the token; NULL if unknown.
    used_at      DATETIME(6) NULL,
    replaced_at  DATETIME(6) NOT NULL,
    PRIMARY KEY (token_hash),
    KEY former_project_tokens_widget (widget_id, replaced_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

CREATE TABLE former_event_secrets (
    widget_id     CHAR(30)    NOT NULL,
    replaced_at   DATETIME(6) NOT NULL,
    -- Sealed as the widget's current secret.
    secret_sealed TEXT        NOT NULL,
    valid_until   DATETIME(6) NOT NULL,
    PRIMARY KEY (widget_id, replaced_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

ALTER TABLE widgets
    -- When the backend first authenticated with the current token. Until then events carry a former one.
    ADD COLUMN project_token_used_at DATETIME(6) NULL,
    -- Latest end of a former token and of a former secret, so that deliveries need not look for them.
    ADD COLUMN former_tokens_until   DATETIME(6) NULL,
    ADD COLUMN former_secrets_until  DATETIME(6) NULL,
    -- Whether events carry X-Project-Token beside their signatures.
    ADD COLUMN events_carry_token    BOOLEAN     NOT NULL DEFAULT TRUE;

INSERT INTO former_project_tokens (token_hash, widget_id, token_sealed, valid_until, used_at, replaced_at)
SELECT former_token_hash, id, NULL, former_token_until, NULL, updated_at
FROM widgets WHERE former_token_hash IS NOT NULL AND former_token_until IS NOT NULL;

UPDATE widgets SET former_tokens_until = former_token_until;
