-- Vendors: sellers of widgets, with their terminal, taxation and VAT. Columns named `..._sealed` are encrypted with the
-- key ring. Existing widgets move to the vendor `default`, which uses the terminal and the tax data of the environment.
CREATE TABLE vendors (
    id                       CHAR(30)     NOT NULL,
    code                     VARCHAR(64)  NOT NULL,
    -- Seller on receipts and invoices.
    legal_name               VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    inn                      VARCHAR(12)  NULL,
    email                    VARCHAR(64)  NULL,
    phone                    VARCHAR(20)  NULL,
    -- Own terminal at T-Bank; NULL for the terminal of the environment.
    terminal_key             VARCHAR(20)  NULL,
    terminal_password_sealed TEXT         NULL,
    -- `OperationInitiatorType` of recurring charges: `R` or `I`, by the type of the terminal.
    charge_initiator         CHAR(1)      NOT NULL DEFAULT 'R',
    -- Receipts: prepayment at the payment (otherwise settlement), closing receipt at the end of the period.
    prepayment_receipts      BOOLEAN      NOT NULL DEFAULT TRUE,
    closing_receipts         BOOLEAN      NOT NULL DEFAULT TRUE,
    created_at               DATETIME(6)  NOT NULL,
    updated_at               DATETIME(6)  NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY vendors_code (code),
    UNIQUE KEY vendors_terminal (terminal_key)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Taxation and VAT rate of a vendor from a day on (Moscow). A vendor without a row uses those of the environment.
CREATE TABLE vendor_taxes (
    vendor_id  CHAR(30)    NOT NULL,
    valid_from DATE        NOT NULL,
    taxation   VARCHAR(24) NOT NULL,
    vat        VARCHAR(8)  NOT NULL,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (vendor_id, valid_from)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

INSERT INTO vendors (id, code, legal_name, created_at, updated_at)
VALUES ('vnd_00000000000000000000000000', 'default', '', '2026-11-30 00:00:00', '2026-11-30 00:00:00');

ALTER TABLE widgets ADD COLUMN vendor_id CHAR(30) NOT NULL DEFAULT 'vnd_00000000000000000000000000';
