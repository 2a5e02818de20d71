-- Indexes by which old rows are found, and the address that began a reconnect. Expands only: the previous release runs on this
-- schema and leaves `source` empty.
ALTER TABLE connect_states
    -- IP address (or /64 network) that asked for the state; NULL for rows of earlier releases.
    ADD COLUMN source VARCHAR(45) NULL,
    ADD KEY connect_states_source (source, expires_at),
    ADD KEY connect_states_account (account_id, widget_id, expires_at);

-- Records of the feed by state and age; quotes that were not applied; idle dialogues; calls whose note was never seen.
ALTER TABLE flysense_events ADD KEY flysense_events_age (state, updated_at);
ALTER TABLE subscription_quotes ADD KEY subscription_quotes_unapplied (applied_at, created_at);
ALTER TABLE bot_chats ADD KEY bot_chats_age (updated_at);
ALTER TABLE transcriptions ADD KEY transcriptions_unseen (state, called_at, updated_at);
