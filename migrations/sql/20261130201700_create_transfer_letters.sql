-- Letters to firms about their transfer invoices, stored before they are sent: one of a kind for an invoice. The address is that of
-- the invoice.
--
-- Only adds a table: the previous release runs on this schema.
CREATE TABLE transfer_letters (
    transfer_invoice_id CHAR(30)    NOT NULL,
    -- issued, due_tomorrow or paid.
    kind                VARCHAR(16) NOT NULL,
    state               VARCHAR(12) NOT NULL,
    created_at          DATETIME(6) NOT NULL,
    updated_at          DATETIME(6) NOT NULL,
    PRIMARY KEY (transfer_invoice_id, kind)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
