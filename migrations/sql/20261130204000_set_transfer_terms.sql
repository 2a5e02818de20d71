-- How long an invoice for a bank transfer can be paid at its price, for each vendor: a number of days, all of them or Monday to
-- Friday only. Invoices that were written keep their day.
--
-- Only adds columns with defaults: the previous release runs on this schema, and gives every invoice seven days.
ALTER TABLE vendors
    ADD COLUMN transfer_due_days     TINYINT UNSIGNED NOT NULL DEFAULT 7,
    ADD COLUMN transfer_banking_days BOOLEAN          NOT NULL DEFAULT FALSE;
