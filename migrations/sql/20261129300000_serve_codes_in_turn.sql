-- Codes that no state vouches for are exchanged in turns. `source`: the address such a code came from; NULL for a code that
-- a state vouches for. `credit`: codes of the source that were good before this one came. `looks`: how often amoCRM was asked.
-- `next_at`: when it may be asked next. `served_by`: the job that asks at present. `no_account`: there was no account at the host.
ALTER TABLE oauth_codes
    ADD COLUMN source     VARCHAR(45) NULL,
    ADD COLUMN credit     INT         NOT NULL DEFAULT 0,
    ADD COLUMN looks      INT         NOT NULL DEFAULT 0,
    ADD COLUMN next_at    DATETIME(6) NULL,
    ADD COLUMN served_by  CHAR(30)    NULL,
    ADD COLUMN no_account BOOLEAN     NOT NULL DEFAULT FALSE,
    ADD KEY oauth_codes_turns (state, source, next_at),
    ADD KEY oauth_codes_lane (widget_id, state, received_at),
    ADD KEY oauth_codes_host (host, state, updated_at),
    ADD KEY oauth_codes_served (served_by);

-- Whether an account lives at a host that a code names.
ALTER TABLE accounts
    ADD KEY accounts_host (platform, host);
