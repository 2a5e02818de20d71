-- Indexes for statements whose cost would grow with the history of one customer: pages of transactions of some kinds, and the
-- coins that an account has spent lately. Expands only.
ALTER TABLE ledger_transactions ADD KEY ledger_transactions_kind (wallet_id, kind, created_at, id);
ALTER TABLE flysense_payments ADD KEY flysense_payments_spent (account_id, paid_at, charged_micro);
