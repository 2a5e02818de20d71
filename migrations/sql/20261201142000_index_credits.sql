-- Indexes for figures of a day: purchases by the time at which their coins were credited, which a transfer pays days after the
-- order, and calls by the time at which they ended, with the seconds that are summed. Expands only.
ALTER TABLE coin_purchases ADD KEY coin_purchases_credited (credited_at);
ALTER TABLE transcriptions ADD KEY transcriptions_finished (finished_at, billed_seconds);
