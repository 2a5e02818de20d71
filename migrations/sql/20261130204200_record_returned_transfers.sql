-- Money of firms that a person has sent back by a payment order in the bank, and indexes for the panel's list of transfer invoices
-- and for the hourly check of the books.
-- States and targets of operations, and causes of balances, have the word `returned` besides the others.
--
-- Only adds columns and indexes: the previous release runs on this schema.
ALTER TABLE firm_balance_entries
    -- Who recorded a return, `operator:<name>`, and why, with the order; NULL for everything that rules decide.
    ADD COLUMN decided_by VARCHAR(80)  NULL,
    ADD COLUMN reason     VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL;
ALTER TABLE transfer_invoices
    ADD KEY transfer_invoices_state (state, id),
    ADD KEY transfer_invoices_vendor (vendor_id, id),
    ADD KEY transfer_invoices_payer (payer_inn, id),
    ADD KEY transfer_invoices_by_number (number),
    ADD KEY transfer_invoices_by_due (due_on),
    ADD KEY transfer_invoices_updated (updated_at);
ALTER TABLE bank_operations ADD KEY bank_operations_updated (updated_at);
ALTER TABLE firm_balances ADD KEY firm_balances_updated (updated_at);
