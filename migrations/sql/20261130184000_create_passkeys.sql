-- Admin panel: passkeys of operators, and the challenges that wait for the answer of one. Earlier releases ignore both tables.
CREATE TABLE operator_passkeys (
    id              CHAR(30)      NOT NULL,
    operator_id     CHAR(30)      NOT NULL,
    name            VARCHAR(60)   CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    -- Id of the credential, up to 1,023 bytes in base64url, and its SHA-256.
    credential_id   VARCHAR(1364) NOT NULL,
    credential_hash CHAR(64)      NOT NULL,
    -- COSE_Key in base64url.
    public_key      VARCHAR(1500) NOT NULL,
    -- Signature counter of the last use; 0 if the authenticator counts nothing.
    sign_count      INT UNSIGNED  NOT NULL,
    last_used_at    DATETIME(6)   NULL,
    created_at      DATETIME(6)   NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY operator_passkeys_credential (credential_hash),
    KEY operator_passkeys_operator (operator_id, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- One challenge per session and purpose. It is deleted when it is answered.
CREATE TABLE operator_passkey_challenges (
    session_id CHAR(30)    NOT NULL,
    purpose    VARCHAR(12) NOT NULL,
    -- 32 random bytes in base64url.
    challenge  CHAR(43)    NOT NULL,
    expires_at DATETIME(6) NOT NULL,
    PRIMARY KEY (session_id, purpose),
    KEY operator_passkey_challenges_expiry (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
