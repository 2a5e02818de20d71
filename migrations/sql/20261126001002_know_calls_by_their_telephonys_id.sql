-- One call may be noted on two cards: `call_key` is a hash of what the telephony calls it and of the number.
ALTER TABLE transcriptions
    ADD COLUMN call_key CHAR(64) NULL,
    ADD KEY transcriptions_call (account_id, call_key);
