-- Purchases of Flycoins at T-Bank. Columns named `..._kopecks` are kopecks, columns named `..._micro` micro-Flycoins.

-- Packages. Only `active` of a version may change: a changed package is a new version.
CREATE TABLE coin_packages (
    id            CHAR(30)     NOT NULL,
    widget_id     CHAR(30)     NOT NULL,
    code          VARCHAR(64)  NOT NULL,
    version       INT UNSIGNED NOT NULL,
    title         VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    price_kopecks BIGINT       NOT NULL,
    coins_micro   BIGINT       NOT NULL,
    bonus_micro   BIGINT       NOT NULL DEFAULT 0,
    -- Days until the bonus expires; bought coins do not expire.
    bonus_days    INT UNSIGNED NULL,
    active        BOOLEAN      NOT NULL,
    created_at    DATETIME(6)  NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY coin_packages_version (widget_id, code, version),
    CONSTRAINT coin_packages_amounts CHECK (price_kopecks > 0 AND coins_micro > 0 AND bonus_micro >= 0)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Purchases. One row is one attempt: one order at T-Bank with at most one payment. Inserted before the request to T-Bank.
CREATE TABLE coin_purchases (
    id               CHAR(30)        NOT NULL,
    wallet_id        CHAR(30)        NOT NULL,
    -- The buyer's idempotency key and the blind index (HMAC-SHA256) of the request: one purchase per key. Keyed, because
    -- an e-mail address could be guessed from a plain hash.
    idem_key         VARCHAR(120)    NULL,
    body_hash        CHAR(64)        NULL,
    -- The package's terms at the time of the purchase.
    package_id       CHAR(30)        NOT NULL,
    price_kopecks    BIGINT          NOT NULL,
    coins_micro      BIGINT          NOT NULL,
    bonus_micro      BIGINT          NOT NULL,
    bonus_days       INT UNSIGNED    NULL,
    state            VARCHAR(16)     NOT NULL,
    -- Contradiction to T-Bank's data that an operator must check.
    discrepancy      VARCHAR(24)     NULL,
    -- The order at T-Bank.
    terminal_key     VARCHAR(20)     NOT NULL,
    order_id         VARCHAR(36)     NOT NULL,
    payment_id       VARCHAR(20)     NULL,
    payment_url      VARCHAR(500)    NULL,
    bank_status      VARCHAR(32)     NULL,
    error_code       VARCHAR(16)     NULL,
    contact_sealed   TEXT            NOT NULL,
    save_card        BOOLEAN         NOT NULL,
    rebill_sealed    TEXT            NULL,
    card_pan         VARCHAR(32)     NULL,
    bought_by        BIGINT UNSIGNED NULL,
    -- The lots that the purchase was credited as, set once, with the credit.
    coins_lot_id     CHAR(30)        NULL,
    bonus_lot_id     CHAR(30)        NULL,
    refunded_kopecks BIGINT          NOT NULL DEFAULT 0,
    -- Next status query to T-Bank; NULL for none.
    poll_at          DATETIME(6)     NULL,
    credited_at      DATETIME(6)     NULL,
    created_at       DATETIME(6)     NOT NULL,
    updated_at       DATETIME(6)     NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY coin_purchases_order (terminal_key, order_id),
    UNIQUE KEY coin_purchases_payment (terminal_key, payment_id),
    UNIQUE KEY coin_purchases_asked (wallet_id, idem_key),
    KEY coin_purchases_wallet (wallet_id, created_at),
    KEY coin_purchases_poll (poll_at),
    KEY coin_purchases_updated (updated_at, id),
    CONSTRAINT coin_purchases_refunded CHECK (refunded_kopecks >= 0 AND refunded_kopecks <= price_kopecks)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Refunds of purchases. The id is sent to T-Bank as ExternalRequestId, its idempotency key.
CREATE TABLE coin_purchase_refunds (
    id                   CHAR(36)    NOT NULL,
    purchase_id          CHAR(30)    NOT NULL,
    amount_kopecks       BIGINT      NOT NULL,
    -- Whether the whole purchase is refunded at once; T-Bank accepts no receipt lines then.
    is_whole             BOOLEAN     NOT NULL DEFAULT FALSE,
    -- Bought coins and bonus coins are withdrawn in separate transactions, so that each can be reversed exactly.
    coins_micro          BIGINT      NOT NULL,
    transaction_id       CHAR(30)    NOT NULL,
    bonus_micro          BIGINT      NOT NULL DEFAULT 0,
    bonus_transaction_id CHAR(30)    NULL,
    state                VARCHAR(16) NOT NULL,
    error_code           VARCHAR(16) NULL,
    requested_by         VARCHAR(64) NOT NULL DEFAULT '',
    created_at           DATETIME(6) NOT NULL,
    updated_at           DATETIME(6) NOT NULL,
    PRIMARY KEY (id),
    KEY coin_purchase_refunds_purchase (purchase_id),
    KEY coin_purchase_refunds_state (state, updated_at),
    CONSTRAINT coin_purchase_refunds_amounts
        CHECK (amount_kopecks > 0 AND coins_micro > 0 AND bonus_micro >= 0)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Verified notifications from T-Bank, stored as received before they are answered. The unique key removes duplicates.
CREATE TABLE tbank_notifications (
    id             CHAR(30)     NOT NULL,
    terminal_key   VARCHAR(20)  NOT NULL,
    payment_id     VARCHAR(20)  NOT NULL,
    order_id       VARCHAR(50)  NOT NULL,
    status         VARCHAR(32)  NOT NULL,
    amount_kopecks BIGINT       NOT NULL,
    error_code     VARCHAR(16)  NOT NULL,
    -- Sealed, because it may contain a RebillId, which charges a card.
    body_sealed    MEDIUMTEXT   NOT NULL,
    state          VARCHAR(12)  NOT NULL,
    note           VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL,
    received_at    DATETIME(6)  NOT NULL,
    applied_at     DATETIME(6)  NULL,
    PRIMARY KEY (id),
    UNIQUE KEY tbank_notifications_once (terminal_key, payment_id, status, amount_kopecks, error_code),
    KEY tbank_notifications_order (terminal_key, order_id),
    KEY tbank_notifications_state (state, received_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Differences between T-Bank's data and the purchases, found by the daily reconciliation.
CREATE TABLE tbank_discrepancies (
    id          CHAR(30)     NOT NULL,
    day         DATE         NOT NULL,
    kind        VARCHAR(24)  NOT NULL,
    order_id    VARCHAR(50)  NOT NULL,
    payment_id  VARCHAR(20)  NULL,
    purchase_id CHAR(30)     NULL,
    ours        VARCHAR(120) NOT NULL,
    banks       VARCHAR(120) NOT NULL,
    found_at    DATETIME(6)  NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY tbank_discrepancies_once (day, order_id, kind),
    KEY tbank_discrepancies_found (found_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
