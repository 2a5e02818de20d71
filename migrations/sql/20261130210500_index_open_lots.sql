-- Indexes of lots by whether coins are left instead of how many: every charge changed two indexes, now only the charge that
-- empties a lot does. The index of charges by wallet is removed, because no statement uses it.
--
-- The column is added before it is indexed: both servers let writes go on while they index a virtual column that exists, but not
-- one that the same statement adds.
-- Way back: every release. Earlier releases find the same rows; their sweep of expired lots reads the whole table.
ALTER TABLE ledger_lots
    -- Whether no coins are left.
    ADD COLUMN is_spent BOOLEAN GENERATED ALWAYS AS (left_micro = 0) VIRTUAL;
ALTER TABLE ledger_lots
    ADD KEY ledger_lots_open (wallet_id, is_spent),
    ADD KEY ledger_lots_due (is_spent, expires_at),
    DROP KEY ledger_lots_wallet,
    DROP KEY ledger_lots_expiry;
ALTER TABLE ledger_charges DROP KEY ledger_charges_wallet;
