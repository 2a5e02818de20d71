-- A purchase is asked for once per key of its buyer, whatever the network does.
ALTER TABLE coin_purchases
    ADD COLUMN idem_key  VARCHAR(120) NULL,
    ADD COLUMN body_hash CHAR(64)     NULL,
    -- Why a person has to look.
    ADD COLUMN doubt     VARCHAR(24)  NULL,
    ADD UNIQUE KEY coin_purchases_asked (wallet_id, idem_key),
    ADD KEY coin_purchases_updated (updated_at, id);

-- Bonus coins go in a withdrawal of their own, so that each can be undone exactly.
ALTER TABLE coin_purchase_refunds
    ADD COLUMN bonus_micro          BIGINT       NOT NULL DEFAULT 0,
    ADD COLUMN bonus_transaction_id CHAR(30)     NULL,
    -- The whole purchase at once: T-Bank wants no receipt lines then.
    ADD COLUMN is_whole             BOOLEAN      NOT NULL DEFAULT FALSE,
    ADD COLUMN requested_by         VARCHAR(64)  NOT NULL DEFAULT '',
    ADD CONSTRAINT coin_purchase_refunds_amounts
        CHECK (amount_kopecks > 0 AND coins_micro > 0 AND bonus_micro >= 0);

-- Where the bank and we disagree, found by the daily comparison.
CREATE TABLE tbank_differences (
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
    UNIQUE KEY tbank_differences_once (day, order_id, kind),
    KEY tbank_differences_found (found_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
