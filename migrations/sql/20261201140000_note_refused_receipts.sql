-- When the bank refused a closing receipt for certain (54-FZ): it is sent again on the next day, and operators see it until it is
-- registered. NULL for every other receipt, and in rows of an earlier release. The index of payments finds those of the last weeks, which
-- are compared with the bank every day. Expands only.
ALTER TABLE invoice_receipts
    ADD COLUMN refused_at DATETIME(6) NULL,
    ADD KEY invoice_receipts_refused (refused_at);
ALTER TABLE invoice_payments ADD KEY invoice_payments_paid (paid_at);
