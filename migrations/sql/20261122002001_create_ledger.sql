-- Flycoins: double entry in millionths of a coin. Balances beside the entries are provable from them.
CREATE TABLE wallets (
    id              CHAR(30)    NOT NULL,
    install_id      CHAR(30)    NOT NULL,
    -- Idempotency keys are unique per widget.
    widget_id       CHAR(30)    NOT NULL,
    available_micro BIGINT      NOT NULL DEFAULT 0,
    held_micro      BIGINT      NOT NULL DEFAULT 0,
    created_at      DATETIME(6) NOT NULL,
    updated_at      DATETIME(6) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY wallets_install (install_id),
    CONSTRAINT wallets_available CHECK (available_micro >= 0),
    CONSTRAINT wallets_held CHECK (held_micro >= 0)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- The welcome bonus is given once ever per account and widget, however often it is reinstalled.
CREATE TABLE welcome_bonuses (
    widget_id      CHAR(30)        NOT NULL,
    platform       VARCHAR(12)     NOT NULL,
    account_id     BIGINT UNSIGNED NOT NULL,
    wallet_id      CHAR(30)        NOT NULL,
    transaction_id CHAR(30)        NOT NULL,
    granted_at     DATETIME(6)     NOT NULL,
    PRIMARY KEY (widget_id, platform, account_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Append-only: no row is ever changed.
CREATE TABLE ledger_transactions (
    id          CHAR(30)     NOT NULL,
    wallet_id   CHAR(30)     NOT NULL,
    kind        VARCHAR(12)  NOT NULL,
    hold_id     CHAR(30)     NULL,
    -- The charge a refund gives back.
    reverses_id CHAR(30)     NULL,
    -- What for, in the caller's words and ids.
    reference   VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL,
    -- The receipt: rules, quantities, rounding.
    details     JSON         NULL,
    created_at  DATETIME(6)  NOT NULL,
    PRIMARY KEY (id),
    KEY ledger_transactions_wallet (wallet_id, created_at, id),
    KEY ledger_transactions_reverses (reverses_id),
    KEY ledger_transactions_hold (hold_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Append-only. The entries of a transaction sum to zero; a lot is named on `available` and `held`.
CREATE TABLE ledger_entries (
    transaction_id CHAR(30)          NOT NULL,
    line           SMALLINT UNSIGNED NOT NULL,
    wallet_id      CHAR(30)          NOT NULL,
    account        VARCHAR(64)       NOT NULL,
    lot_id         CHAR(30)          NULL,
    amount_micro   BIGINT            NOT NULL,
    PRIMARY KEY (transaction_id, line),
    KEY ledger_entries_wallet (wallet_id, account, lot_id, amount_micro),
    CONSTRAINT ledger_entries_amount CHECK (amount_micro <> 0)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

CREATE TABLE ledger_lots (
    id            CHAR(30)    NOT NULL,
    wallet_id     CHAR(30)    NOT NULL,
    origin        VARCHAR(16) NOT NULL,
    granted_micro BIGINT      NOT NULL,
    -- What can be spent: coins in open holds are not among them.
    left_micro    BIGINT      NOT NULL,
    expires_at    DATETIME(6) NULL,
    created_at    DATETIME(6) NOT NULL,
    PRIMARY KEY (id),
    KEY ledger_lots_wallet (wallet_id, left_micro),
    KEY ledger_lots_expiry (expires_at, left_micro),
    CONSTRAINT ledger_lots_left CHECK (left_micro >= 0 AND left_micro <= granted_micro)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

CREATE TABLE ledger_holds (
    id             CHAR(30)    NOT NULL,
    wallet_id      CHAR(30)    NOT NULL,
    -- The transaction that placed it; its entries tell the lots.
    transaction_id CHAR(30)    NOT NULL,
    amount_micro   BIGINT      NOT NULL,
    captured_micro BIGINT      NOT NULL DEFAULT 0,
    state          VARCHAR(12) NOT NULL,
    expires_at     DATETIME(6) NOT NULL,
    created_at     DATETIME(6) NOT NULL,
    updated_at     DATETIME(6) NOT NULL,
    PRIMARY KEY (id),
    KEY ledger_holds_wallet (wallet_id, state, expires_at),
    KEY ledger_holds_expiry (state, expires_at),
    CONSTRAINT ledger_holds_amount CHECK (amount_micro > 0 AND captured_micro >= 0)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- What was charged and how much of it came back: the database itself refuses to return more.
CREATE TABLE ledger_charges (
    transaction_id CHAR(30) NOT NULL,
    wallet_id      CHAR(30) NOT NULL,
    charged_micro  BIGINT   NOT NULL,
    refunded_micro BIGINT   NOT NULL DEFAULT 0,
    PRIMARY KEY (transaction_id),
    KEY ledger_charges_wallet (wallet_id),
    CONSTRAINT ledger_charges_refunded CHECK (refunded_micro >= 0 AND refunded_micro <= charged_micro)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- The first answer under a key, written with its effect. Refusals have no effect and are not kept.
CREATE TABLE idempotency_keys (
    widget_id  CHAR(30)     NOT NULL,
    idem_key   VARCHAR(120) NOT NULL,
    body_hash  CHAR(64)     NOT NULL,
    answer     JSON         NOT NULL,
    created_at DATETIME(6)  NOT NULL,
    PRIMARY KEY (widget_id, idem_key),
    KEY idempotency_keys_created (created_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Prices: a version is never changed, a new price is a new version.
CREATE TABLE price_rules (
    service    VARCHAR(48)  NOT NULL,
    version    INT UNSIGNED NOT NULL,
    tariff     JSON         NOT NULL,
    valid_from DATETIME(6)  NOT NULL,
    created_at DATETIME(6)  NOT NULL,
    PRIMARY KEY (service, version),
    KEY price_rules_valid (service, valid_from)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Packages on offer; a changed package is a new version.
CREATE TABLE coin_packages (
    id            CHAR(30)     NOT NULL,
    widget_id     CHAR(30)     NOT NULL,
    code          VARCHAR(64)  NOT NULL,
    version       INT UNSIGNED NOT NULL,
    title         VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    price_kopecks BIGINT       NOT NULL,
    coins_micro   BIGINT       NOT NULL,
    bonus_micro   BIGINT       NOT NULL DEFAULT 0,
    -- How long the bonus can be spent; bought coins do not expire.
    bonus_days    INT UNSIGNED NULL,
    active        BOOLEAN      NOT NULL,
    created_at    DATETIME(6)  NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY coin_packages_version (widget_id, code, version),
    CONSTRAINT coin_packages_amounts CHECK (price_kopecks > 0 AND coins_micro > 0 AND bonus_micro >= 0)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- One row is one attempt is one order at T-Bank is at most one payment. Written before the call.
CREATE TABLE coin_purchases (
    id               CHAR(30)        NOT NULL,
    wallet_id        CHAR(30)        NOT NULL,
    package_id       CHAR(30)        NOT NULL,
    price_kopecks    BIGINT          NOT NULL,
    coins_micro      BIGINT          NOT NULL,
    bonus_micro      BIGINT          NOT NULL,
    bonus_days       INT UNSIGNED    NULL,
    state            VARCHAR(16)     NOT NULL,
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
    -- The lots the purchase was credited as; set once, with the credit.
    coins_lot_id     CHAR(30)        NULL,
    bonus_lot_id     CHAR(30)        NULL,
    refunded_kopecks BIGINT          NOT NULL DEFAULT 0,
    poll_at          DATETIME(6)     NULL,
    credited_at      DATETIME(6)     NULL,
    created_at       DATETIME(6)     NOT NULL,
    updated_at       DATETIME(6)     NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY coin_purchases_order (terminal_key, order_id),
    UNIQUE KEY coin_purchases_payment (terminal_key, payment_id),
    KEY coin_purchases_wallet (wallet_id, created_at),
    KEY coin_purchases_poll (poll_at),
    CONSTRAINT coin_purchases_refunded CHECK (refunded_kopecks >= 0 AND refunded_kopecks <= price_kopecks)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Refunds of purchases. The id goes to T-Bank as ExternalRequestId, so a refund happens once.
CREATE TABLE coin_purchase_refunds (
    id             CHAR(36)    NOT NULL,
    purchase_id    CHAR(30)    NOT NULL,
    amount_kopecks BIGINT      NOT NULL,
    coins_micro    BIGINT      NOT NULL,
    transaction_id CHAR(30)    NOT NULL,
    state          VARCHAR(16) NOT NULL,
    error_code     VARCHAR(16) NULL,
    created_at     DATETIME(6) NOT NULL,
    updated_at     DATETIME(6) NOT NULL,
    PRIMARY KEY (id),
    KEY coin_purchase_refunds_purchase (purchase_id),
    KEY coin_purchase_refunds_state (state, updated_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Verified notices, raw, kept before they are answered. The key makes a repeated one a no-op.
CREATE TABLE tbank_notices (
    id             CHAR(30)    NOT NULL,
    terminal_key   VARCHAR(20) NOT NULL,
    payment_id     VARCHAR(20) NOT NULL,
    order_id       VARCHAR(50) NOT NULL,
    status         VARCHAR(32) NOT NULL,
    amount_kopecks BIGINT      NOT NULL,
    error_code     VARCHAR(16) NOT NULL,
    -- Sealed: it may carry what charges a card.
    body_sealed    MEDIUMTEXT  NOT NULL,
    state          VARCHAR(12) NOT NULL,
    note           VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL,
    received_at    DATETIME(6) NOT NULL,
    applied_at     DATETIME(6) NULL,
    PRIMARY KEY (id),
    UNIQUE KEY tbank_notices_once (terminal_key, payment_id, status, amount_kopecks, error_code),
    KEY tbank_notices_order (terminal_key, order_id),
    KEY tbank_notices_state (state, received_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
