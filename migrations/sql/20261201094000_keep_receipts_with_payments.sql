-- What the receipt of a payment for an invoice says, as it was when the payment was begun: the receipt of a refund repeats it (54-FZ),
-- although the seller's receipts or taxes have changed since. Expands only: in rows of an earlier release the columns are NULL, and the
-- invoice and the seller's present settings stand for them.
ALTER TABLE invoice_payments
    -- `prepayment` or `settlement`; NULL: the two columns below are not known either.
    ADD COLUMN receipt_kind VARCHAR(16) NULL,
    -- T-Bank's code of the taxation; NULL for that of the environment.
    ADD COLUMN receipt_taxation VARCHAR(24) NULL,
    -- VAT rate; NULL for that of the environment.
    ADD COLUMN receipt_vat VARCHAR(8) NULL;

-- The same of closing receipts, written before they are sent. NULL for those of the invoice.
ALTER TABLE invoice_receipts
    ADD COLUMN taxation VARCHAR(24) NULL,
    ADD COLUMN vat VARCHAR(8) NULL;
