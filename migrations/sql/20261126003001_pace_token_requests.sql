-- Until when nobody asks amoCRM for the pair's successor: after a block, a limit, an unpaid account, a lost answer.
ALTER TABLE install_tokens
    ADD COLUMN retry_at DATETIME(6) NULL;

-- When amoCRM was last asked where an account lives that seemed to have moved.
ALTER TABLE accounts
    ADD COLUMN host_asked_at DATETIME(6) NULL;

-- Codes of one widget from one host are counted: anybody can send some. The account is the one a browser began in.
ALTER TABLE oauth_codes
    ADD COLUMN expected_account_id BIGINT UNSIGNED NULL,
    ADD KEY oauth_codes_waiting (widget_id, host, state),
    ADD KEY oauth_codes_ended (state, updated_at);
