-- What happened in a wallet and is yet to be published as an event to the vendor's backend: written in the transaction of
-- its cause, deleted in the transaction that records the event. And an index for the lists of a widget's vendor.
CREATE TABLE pending_wallet_events (
    id              BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    wallet_id       CHAR(30)        NOT NULL,
    -- balance_low or hold_expired.
    kind            VARCHAR(16)     NOT NULL,
    hold_id         CHAR(30)        NULL,
    -- The balance that is low, or the coins that returned to the balance.
    amount_micro    BIGINT          NOT NULL,
    threshold_micro BIGINT          NULL,
    happened_at     DATETIME(6)     NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- The wallets of a widget, for its vendor's lists of transactions and revenue.
ALTER TABLE wallets ADD KEY wallets_widget (widget_id);
