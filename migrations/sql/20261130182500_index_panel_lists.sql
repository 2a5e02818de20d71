-- Indexes for filters of the admin panel's lists that would otherwise read a whole table, and a column that finds empty
-- wallets without an index on the balance, which every charge would have to update.
ALTER TABLE jobs ADD KEY jobs_tenant (tenant, id), ADD KEY jobs_queue (queue, id);
ALTER TABLE transcriptions ADD KEY transcriptions_account_state (account_id, state, id);
ALTER TABLE lifecycle_events ADD KEY lifecycle_events_type (type, id);
ALTER TABLE coin_purchases ADD KEY coin_purchases_discrepancy (discrepancy, id);
ALTER TABLE subscription_invoices ADD KEY subscription_invoices_kind (kind, state, id);
ALTER TABLE tbank_notifications ADD KEY tbank_notifications_state_id (state, id),
    ADD KEY tbank_notifications_order_id (order_id), ADD KEY tbank_notifications_payment_id (payment_id);
ALTER TABLE audit_log ADD KEY audit_log_subject_id (subject_id, id);
ALTER TABLE wallets
    -- Whether nothing is available. Its index changes only when a balance reaches or leaves zero.
    ADD COLUMN is_empty BOOLEAN GENERATED ALWAYS AS (available_micro = 0) STORED,
    ADD KEY wallets_empty (is_empty, id);
