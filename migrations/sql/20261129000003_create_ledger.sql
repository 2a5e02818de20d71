-- Ledger of Flycoins, in double entry. Columns named `..._micro` are micro-Flycoins. Stored balances can be verified
-- against the entries.
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

-- Welcome bonuses, once per account and widget, even if the widget is reinstalled.
CREATE TABLE welcome_bonuses (
    widget_id      CHAR(30)        NOT NULL,
    platform       VARCHAR(12)     NOT NULL,
    account_id     BIGINT UNSIGNED NOT NULL,
    wallet_id      CHAR(30)        NOT NULL,
    transaction_id CHAR(30)        NOT NULL,
    granted_at     DATETIME(6)     NOT NULL,
    PRIMARY KEY (widget_id, platform, account_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Append-only: rows are never changed.
CREATE TABLE ledger_transactions (
    id          CHAR(30)     NOT NULL,
    wallet_id   CHAR(30)     NOT NULL,
    kind        VARCHAR(12)  NOT NULL,
    hold_id     CHAR(30)     NULL,
    -- The charge that a refund reverses.
    reverses_id CHAR(30)     NULL,
    -- The caller's comment, shown in the history.
    reference   VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL,
    -- The receipt: price rules, quantities, rounding.
    details     JSON         NULL,
    created_at  DATETIME(6)  NOT NULL,
    PRIMARY KEY (id),
    KEY ledger_transactions_wallet (wallet_id, created_at, id),
    KEY ledger_transactions_reverses (reverses_id),
    KEY ledger_transactions_hold (hold_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Append-only. The entries of a transaction sum to zero; entries on `available` and `held` name a lot.
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

-- Coins of one origin and one expiry.
CREATE TABLE ledger_lots (
    id            CHAR(30)    NOT NULL,
    wallet_id     CHAR(30)    NOT NULL,
    origin        VARCHAR(16) NOT NULL,
    granted_micro BIGINT      NOT NULL,
    -- Remaining coins, without coins in open holds.
    left_micro    BIGINT      NOT NULL,
    expires_at    DATETIME(6) NULL,
    created_at    DATETIME(6) NOT NULL,
    PRIMARY KEY (id),
    KEY ledger_lots_wallet (wallet_id, left_micro),
    KEY ledger_lots_expiry (expires_at, left_micro),
    CONSTRAINT ledger_lots_left CHECK (left_micro >= 0 AND left_micro <= granted_micro)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Holds: coins reserved for future work.
CREATE TABLE ledger_holds (
    id             CHAR(30)    NOT NULL,
    wallet_id      CHAR(30)    NOT NULL,
    -- The transaction that placed the hold; its entries name the lots.
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

-- Charged and refunded amounts. The constraint prevents refunds above the charge.
CREATE TABLE ledger_charges (
    transaction_id CHAR(30) NOT NULL,
    wallet_id      CHAR(30) NOT NULL,
    charged_micro  BIGINT   NOT NULL,
    refunded_micro BIGINT   NOT NULL DEFAULT 0,
    PRIMARY KEY (transaction_id),
    KEY ledger_charges_wallet (wallet_id),
    CONSTRAINT ledger_charges_refunded CHECK (refunded_micro >= 0 AND refunded_micro <= charged_micro)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Idempotency keys with the first response, written in the transaction of its effect. Refusals have no effect and are
-- not stored.
CREATE TABLE idempotency_keys (
    widget_id  CHAR(30)     NOT NULL,
    idem_key   VARCHAR(120) NOT NULL,
    -- SHA-256 of the request body: the same key with another body is an error.
    body_hash  CHAR(64)     NOT NULL,
    answer     JSON         NOT NULL,
    created_at DATETIME(6)  NOT NULL,
    PRIMARY KEY (widget_id, idem_key),
    KEY idempotency_keys_created (created_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Prices. A version is never changed: a new price is a new version.
CREATE TABLE price_rules (
    service    VARCHAR(48)  NOT NULL,
    version    INT UNSIGNED NOT NULL,
    -- Rates in micro-Flycoins.
    tariff     JSON         NOT NULL,
    valid_from DATETIME(6)  NOT NULL,
    created_at DATETIME(6)  NOT NULL,
    PRIMARY KEY (service, version),
    KEY price_rules_valid (service, valid_from)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
