-- Fewer index entries per charge: four of twelve are removed, three of them at places all over their index.
--
-- - No statement finds transactions by their hold (`ledger_transactions_hold`).
-- - `ledger_transactions_kind` begins with the wallet too: a page of all kinds is merged from the pages of each
--   (was `ledger_transactions_wallet`).
-- - Sums of a wallet's entries are read by its transactions, which only the verification of the whole ledger does
--   (was `ledger_entries_wallet`).
--
-- Way back: every release. Earlier ones find the same rows; a page of a wallet's history sorts all its transactions, and
-- their verification of the whole ledger reads all entries once for every 500 wallets and every 1,000 lots.
ALTER TABLE ledger_transactions
    DROP KEY ledger_transactions_hold,
    DROP KEY ledger_transactions_wallet;
ALTER TABLE ledger_entries DROP KEY ledger_entries_wallet;
