-- Payment of invoices by bank transfer: invoices at T-Bank's T-API, operations of the account's statement, what became of
-- each kopeck of them, balances of firms, and acts. Columns of type DATE are days in Moscow, columns named `..._kopecks`
-- kopecks, columns named `..._sealed` are encrypted with the key ring.
--
-- Only adds tables and columns: the previous release runs on this schema.

-- A vendor's access to the T-API. Both columns are NULL for a vendor that is not paid by transfer.
ALTER TABLE vendors
    ADD COLUMN t_api_token_sealed TEXT        NULL,
    -- Account that is paid to and whose statement is read, 20 digits.
    ADD COLUMN t_api_account      VARCHAR(20) NULL;

-- Last serial given to an invoice of a vendor; the invoice's number is the serial with a check digit.
CREATE TABLE transfer_invoice_numbers (
    vendor_id   CHAR(30)    NOT NULL,
    last_serial BIGINT      NOT NULL,
    updated_at  DATETIME(6) NOT NULL,
    PRIMARY KEY (vendor_id),
    CONSTRAINT transfer_invoice_numbers_digits CHECK (last_serial > 0 AND last_serial <= 99999999999999)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Invoices that a firm pays by transfer. Everything that was promised is frozen in the row.
CREATE TABLE transfer_invoices (
    id               CHAR(30)         NOT NULL,
    vendor_id        CHAR(30)         NOT NULL,
    -- Number of the vendor's series; the bank and the payer know the invoice by it.
    number           BIGINT           NOT NULL,
    install_id       CHAR(30)         NOT NULL,
    widget_id        CHAR(30)         NOT NULL,
    -- What it pays: exactly one of both.
    pays_invoice_id  CHAR(30)         NULL,
    pays_purchase_id CHAR(30)         NULL,
    -- 1 while it waits for money, otherwise NULL: one such invoice for what is paid.
    open_slot        TINYINT UNSIGNED NULL,
    state            VARCHAR(8)       NOT NULL,
    -- The payer's requisites.
    payer_name       VARCHAR(512)     CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    payer_inn        VARCHAR(12)      NOT NULL,
    payer_kpp        VARCHAR(9)       NULL,
    -- Where bank and Flysk send it; empty once erased.
    email_sealed     TEXT             NOT NULL,
    title            VARCHAR(200)     CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    purpose          VARCHAR(512)     CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    -- Price of what is paid; the part taken from the firm's balance; the rest, which is asked for; what arrived of it.
    total_kopecks    BIGINT           NOT NULL,
    balance_kopecks  BIGINT           NOT NULL DEFAULT 0,
    amount_kopecks   BIGINT           NOT NULL,
    paid_kopecks     BIGINT           NOT NULL DEFAULT 0,
    -- Rate of the day of the invoice; it counts whatever the rate is on the day of the payment.
    vat              VARCHAR(8)       NOT NULL,
    issued_on        DATE             NOT NULL,
    -- Last day on which it can be paid at its price.
    due_on           DATE             NOT NULL,
    -- Written before the request to the bank, which has no idempotency: a row with it is never sent again.
    sent_at          DATETIME(6)      NULL,
    bank_invoice_id  VARCHAR(36)      NULL,
    bank_status      VARCHAR(16)      NULL,
    error_code       VARCHAR(64)      NULL,
    -- The bank's link to the PDF, valid for ten days for whoever knows it; NULL once the PDF is ours.
    pdf_url_sealed   TEXT             NULL,
    -- none, wanted, stored or lost.
    pdf_state        VARCHAR(8)       NOT NULL DEFAULT 'none',
    pdf_object_key   VARCHAR(200)     NULL,
    -- Next question to the bank; NULL for none.
    query_at         DATETIME(6)      NULL,
    paid_at          DATETIME(6)      NULL,
    void_reason      VARCHAR(16)      NULL,
    requested_by     VARCHAR(80)      NOT NULL,
    created_at       DATETIME(6)      NOT NULL,
    updated_at       DATETIME(6)      NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY transfer_invoices_number (vendor_id, number),
    UNIQUE KEY transfer_invoices_open_invoice (pays_invoice_id, open_slot),
    UNIQUE KEY transfer_invoices_open_purchase (pays_purchase_id, open_slot),
    KEY transfer_invoices_install (install_id, id),
    KEY transfer_invoices_firm (vendor_id, payer_inn, amount_kopecks, open_slot),
    KEY transfer_invoices_due (open_slot, due_on),
    KEY transfer_invoices_query (query_at),
    KEY transfer_invoices_pdf (pdf_state, updated_at),
    CONSTRAINT transfer_invoices_pays CHECK ((pays_invoice_id IS NULL) <> (pays_purchase_id IS NULL)),
    CONSTRAINT transfer_invoices_amounts
        CHECK (number > 0 AND total_kopecks > 0 AND balance_kopecks >= 0 AND amount_kopecks >= 0
            AND total_kopecks = balance_kopecks + amount_kopecks
            AND paid_kopecks >= 0 AND paid_kopecks <= amount_kopecks)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Money that arrived on a vendor's account. The bank may change an operation's id at night and may list one twice, so the
-- key is ours: a hash of what the payer's bank wrote, and a number among equal operations of one day.
CREATE TABLE bank_operations (
    id              CHAR(30)     NOT NULL,
    vendor_id       CHAR(30)     NOT NULL,
    account_number  VARCHAR(20)  NOT NULL,
    dedup_key       CHAR(64)     NOT NULL,
    occurrence      INT UNSIGNED NOT NULL,
    booked_on       DATE         NOT NULL,
    booked_at       DATETIME(6)  NOT NULL,
    amount_kopecks  BIGINT       NOT NULL,
    payer_name      VARCHAR(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    payer_inn       VARCHAR(12)  NOT NULL,
    payer_account   VARCHAR(34)  NOT NULL,
    document_number VARCHAR(32)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    purpose         VARCHAR(1000) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    -- new (read, but not matched yet), landed, queued or foreign.
    state           VARCHAR(8)   NOT NULL,
    -- Why a person must decide; NULL unless it was ever queued.
    queue_reason    VARCHAR(24)  NULL,
    -- Incremented by every decision: two decisions about one state of it collide.
    version         INT UNSIGNED NOT NULL DEFAULT 1,
    created_at      DATETIME(6)  NOT NULL,
    updated_at      DATETIME(6)  NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY bank_operations_once (vendor_id, account_number, dedup_key, occurrence),
    KEY bank_operations_state (state, id),
    KEY bank_operations_order (state, vendor_id, booked_at, id),
    KEY bank_operations_payer (vendor_id, payer_inn, id),
    CONSTRAINT bank_operations_amount CHECK (amount_kopecks > 0)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Ids under which the bank listed an operation.
CREATE TABLE bank_operation_ids (
    operation_id CHAR(30)     NOT NULL,
    bank_id      VARCHAR(64)  NOT NULL,
    seen_at      DATETIME(6)  NOT NULL,
    PRIMARY KEY (operation_id, bank_id),
    KEY bank_operation_ids_bank (bank_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Where the kopecks of an operation are. Append-only: a decision about queued money takes it from the queue by a negative
-- row. The rows of an operation always sum to its amount.
CREATE TABLE bank_allocations (
    operation_id        CHAR(30)     NOT NULL,
    -- Number of the row within the operation.
    step                INT UNSIGNED NOT NULL,
    -- invoice, balance, queue or foreign.
    target              VARCHAR(8)   NOT NULL,
    kopecks             BIGINT       NOT NULL,
    transfer_invoice_id CHAR(30)     NULL,
    -- Install whose firm has the balance.
    install_id          CHAR(30)     NULL,
    -- `bank`, `system` or `operator:<name>`.
    decided_by          VARCHAR(80)  NOT NULL,
    reason              VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL,
    created_at          DATETIME(6)  NOT NULL,
    PRIMARY KEY (operation_id, step),
    KEY bank_allocations_invoice (transfer_invoice_id),
    CONSTRAINT bank_allocations_kopecks CHECK (kopecks <> 0),
    CONSTRAINT bank_allocations_invoice_named CHECK (target <> 'invoice' OR transfer_invoice_id IS NOT NULL),
    CONSTRAINT bank_allocations_balance_named CHECK (target <> 'balance' OR install_id IS NOT NULL)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Money of a firm that no invoice has taken yet; the next invoice of the install to this INN takes it first.
CREATE TABLE firm_balances (
    vendor_id  CHAR(30)    NOT NULL,
    install_id CHAR(30)    NOT NULL,
    inn        VARCHAR(12) NOT NULL,
    kopecks    BIGINT      NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (vendor_id, install_id, inn),
    KEY firm_balances_install (install_id),
    CONSTRAINT firm_balances_kopecks CHECK (kopecks >= 0)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Every change of a balance. Append-only: the rows of a balance sum to it.
CREATE TABLE firm_balance_entries (
    id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    vendor_id  CHAR(30)        NOT NULL,
    install_id CHAR(30)        NOT NULL,
    inn        VARCHAR(12)     NOT NULL,
    kopecks    BIGINT          NOT NULL,
    -- received (from an operation), applied (to an invoice) or released (by an invoice that ended).
    cause      VARCHAR(8)      NOT NULL,
    -- Operation and step, or transfer invoice: a cause counts once.
    cause_key  VARCHAR(64)     NOT NULL,
    created_at DATETIME(6)     NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY firm_balance_entries_once (cause, cause_key),
    KEY firm_balance_entries_balance (vendor_id, install_id, inn, id),
    CONSTRAINT firm_balance_entries_kopecks CHECK (kopecks <> 0)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Until when an account's statement was read. Reading begins days earlier again.
CREATE TABLE statement_cursors (
    vendor_id      CHAR(30)     NOT NULL,
    account_number VARCHAR(20)  NOT NULL,
    read_until     DATETIME(6)  NOT NULL,
    -- Last refusal of the bank; NULL after a successful read.
    error_code     VARCHAR(64)  NULL,
    updated_at     DATETIME(6)  NOT NULL,
    PRIMARY KEY (vendor_id, account_number)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Acts of what a paid transfer invoice was for: one per invoice, due when the period ends or the coins were credited.
CREATE TABLE transfer_acts (
    transfer_invoice_id CHAR(30)     NOT NULL,
    vendor_id           CHAR(30)     NOT NULL,
    install_id          CHAR(30)     NOT NULL,
    -- The number of the invoice, under which the firm books it.
    number              BIGINT       NOT NULL,
    -- Days of the service, first and last; both the day of the payment for coins.
    served_from         DATE         NOT NULL,
    served_until        DATE         NOT NULL,
    -- Day of the act; the job makes the document on it.
    due_on              DATE         NOT NULL,
    -- due or stored.
    state               VARCHAR(8)   NOT NULL,
    object_key          VARCHAR(200) NULL,
    created_at          DATETIME(6)  NOT NULL,
    updated_at          DATETIME(6)  NOT NULL,
    PRIMARY KEY (transfer_invoice_id),
    UNIQUE KEY transfer_acts_number (vendor_id, number),
    KEY transfer_acts_install (install_id, number),
    KEY transfer_acts_due (state, due_on)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
