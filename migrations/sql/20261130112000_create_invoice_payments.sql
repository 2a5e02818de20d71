-- Payments of subscription invoices at T-Bank: saved cards, attempts to pay, refunds and closing receipts. Columns named
-- `..._kopecks` are kopecks.

-- Saved cards. One row is one permission of a payer; a card that is saved again is another row. A card that was unlinked is
-- never charged again (376-FZ), so nothing clears `unlinked_at`.
CREATE TABLE payment_cards (
    id               CHAR(30)     NOT NULL,
    install_id       CHAR(30)     NOT NULL,
    terminal_key     VARCHAR(20)  NOT NULL,
    -- The attempt whose payment saved it: saved once, however often the bank tells of it.
    payment_row_id   CHAR(30)     NOT NULL,
    -- Sealed, because it charges the card.
    rebill_sealed    TEXT         NOT NULL,
    pan              VARCHAR(32)  NULL,
    linked_at        DATETIME(6)  NOT NULL,
    unlinked_at      DATETIME(6)  NULL,
    unlinked_by      VARCHAR(80)  NULL,
    unlinked_channel VARCHAR(16)  NULL,
    PRIMARY KEY (id),
    UNIQUE KEY payment_cards_payment (payment_row_id),
    KEY payment_cards_install (install_id, linked_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Attempts to pay an invoice. One row is one order at T-Bank with at most one payment; the id is the order number. Inserted
-- before the request to T-Bank.
CREATE TABLE invoice_payments (
    id              CHAR(30)         NOT NULL,
    invoice_id      CHAR(30)         NOT NULL,
    subscription_id CHAR(30)         NOT NULL,
    install_id      CHAR(30)         NOT NULL,
    kind            VARCHAR(8)       NOT NULL,
    -- 1 while the attempt may still take money, otherwise NULL: one such attempt per invoice.
    open_slot       TINYINT UNSIGNED NULL,
    state           VARCHAR(12)      NOT NULL,
    -- The payer must not pay it any more: what is not charged yet is cancelled.
    is_withdrawn    BOOLEAN          NOT NULL DEFAULT FALSE,
    -- Charged by the schedule, not by a person.
    is_automatic    BOOLEAN          NOT NULL,
    save_card       BOOLEAN          NOT NULL,
    card_id         CHAR(30)         NULL,
    terminal_key    VARCHAR(20)      NOT NULL,
    amount_kopecks  BIGINT           NOT NULL,
    payment_id      VARCHAR(20)      NULL,
    payment_url     VARCHAR(500)     NULL,
    bank_status     VARCHAR(32)      NULL,
    error_code      VARCHAR(16)      NULL,
    discrepancy     VARCHAR(24)      NULL,
    -- Written before `Charge`, so that a lost answer is asked for.
    charge_sent_at  DATETIME(6)      NULL,
    paid_at         DATETIME(6)      NULL,
    -- Next question to T-Bank; NULL for none.
    query_at        DATETIME(6)      NULL,
    created_at      DATETIME(6)      NOT NULL,
    updated_at      DATETIME(6)      NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY invoice_payments_open (invoice_id, open_slot),
    UNIQUE KEY invoice_payments_payment (terminal_key, payment_id),
    KEY invoice_payments_invoice (invoice_id, created_at),
    KEY invoice_payments_card (card_id, open_slot),
    KEY invoice_payments_query (query_at),
    KEY invoice_payments_updated (updated_at, id),
    CONSTRAINT invoice_payments_amount CHECK (amount_kopecks > 0)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Refunds of payments. The id is sent to T-Bank as ExternalRequestId, its idempotency key.
CREATE TABLE invoice_refunds (
    id             CHAR(36)     NOT NULL,
    invoice_id     CHAR(30)     NOT NULL,
    payment_row_id CHAR(30)     NOT NULL,
    amount_kopecks BIGINT       NOT NULL,
    -- What the payment still held before; T-Bank's amounts are compared with it.
    left_kopecks   BIGINT       NOT NULL,
    state          VARCHAR(12)  NOT NULL,
    error_code     VARCHAR(16)  NULL,
    reason         VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    requested_by   VARCHAR(80)  NOT NULL,
    created_at     DATETIME(6)  NOT NULL,
    updated_at     DATETIME(6)  NOT NULL,
    PRIMARY KEY (id),
    KEY invoice_refunds_invoice (invoice_id),
    KEY invoice_refunds_payment (payment_row_id, state),
    KEY invoice_refunds_state (state, updated_at),
    CONSTRAINT invoice_refunds_amount CHECK (amount_kopecks > 0 AND amount_kopecks <= left_kopecks)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Closing receipts (54-FZ) of prepaid invoices, due at the end of the period.
CREATE TABLE invoice_receipts (
    id             CHAR(30)    NOT NULL,
    invoice_id     CHAR(30)    NOT NULL,
    payment_row_id CHAR(30)    NOT NULL,
    due_at         DATETIME(6) NOT NULL,
    state          VARCHAR(12) NOT NULL,
    error_code     VARCHAR(16) NULL,
    created_at     DATETIME(6) NOT NULL,
    updated_at     DATETIME(6) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY invoice_receipts_payment (payment_row_id),
    KEY invoice_receipts_due (state, due_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
