-- Subscriptions: plans, quotes, invoices, consents, pending changes, bonus days, notices and the log of actions. Columns of
-- type DATE are days in Moscow; a period is from `..._from` to before `..._until`. Columns named `..._kopecks` are kopecks.

-- Versions of plans. Only `active` of a version may change.
CREATE TABLE subscription_plans (
    id               CHAR(30)     NOT NULL,
    widget_id        CHAR(30)     NOT NULL,
    code             VARCHAR(64)  NOT NULL,
    version          INT UNSIGNED NOT NULL,
    title            VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    -- Price of a seat for 1, 3, 6 and 12 months; NULL where the plan is not sold for this length.
    month_kopecks    BIGINT       NULL,
    quarter_kopecks  BIGINT       NULL,
    half_kopecks     BIGINT       NULL,
    year_kopecks     BIGINT       NULL,
    min_seats        INT UNSIGNED NOT NULL,
    max_seats        INT UNSIGNED NULL,
    currency         CHAR(3)      NOT NULL,
    features         LONGTEXT     CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    active           BOOLEAN      NOT NULL,
    created_at       DATETIME(6)  NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY subscription_plans_version (widget_id, code, version)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- One subscription per install, for ever: a trial happens once per account and widget.
CREATE TABLE subscriptions (
    id                CHAR(30)        NOT NULL,
    install_id        CHAR(30)        NOT NULL,
    widget_id         CHAR(30)        NOT NULL,
    platform          VARCHAR(12)     NOT NULL,
    account_id        BIGINT UNSIGNED NOT NULL,
    state             VARCHAR(16)     NOT NULL,
    -- Incremented by every change (optimistic lock); a quote is valid for one version.
    version           INT UNSIGNED    NOT NULL DEFAULT 1,
    trial_from        DATE            NULL,
    trial_until       DATE            NULL,
    -- Terms of the current or last period; the price stays although the catalogue changes.
    plan_id           CHAR(30)        NULL,
    seat_kopecks      BIGINT          NULL,
    seats             INT UNSIGNED    NULL,
    months            INT UNSIGNED    NULL,
    -- Day of the month on which periods begin, 1 to 31.
    anchor_day        INT UNSIGNED    NULL,
    period_no         INT UNSIGNED    NOT NULL DEFAULT 0,
    period_from       DATE            NULL,
    period_until      DATE            NULL,
    -- The next period, if it is already paid.
    prepaid_from      DATE            NULL,
    prepaid_until     DATE            NULL,
    is_granted        BOOLEAN         NOT NULL DEFAULT FALSE,
    cancels           BOOLEAN         NOT NULL DEFAULT FALSE,
    reminded_days     INT UNSIGNED    NULL,
    needs_person      BOOLEAN         NOT NULL DEFAULT FALSE,
    last_charge_on    DATE            NULL,
    -- Card that is charged for renewals; NULL if renewal is off.
    card_id           CHAR(30)        NULL,
    -- When the next step is due; NULL if only a payment or a person can go on.
    next_due_at       DATETIME(6)     NULL,
    created_at        DATETIME(6)     NOT NULL,
    updated_at        DATETIME(6)     NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY subscriptions_install (install_id),
    UNIQUE KEY subscriptions_account (widget_id, platform, account_id),
    KEY subscriptions_due (next_due_at),
    KEY subscriptions_card (card_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Changes that wait for the next period, at most one of each kind.
CREATE TABLE subscription_pending_changes (
    subscription_id CHAR(30)        NOT NULL,
    kind            VARCHAR(8)      NOT NULL,
    plan_id         CHAR(30)        NULL,
    seats           INT UNSIGNED    NULL,
    months          INT UNSIGNED    NULL,
    requested_by    VARCHAR(80)     NOT NULL,
    requested_at    DATETIME(6)     NOT NULL,
    PRIMARY KEY (subscription_id, kind)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Quotes: prices of changes, valid for one version of the subscription and until the end of a day.
CREATE TABLE subscription_quotes (
    id              CHAR(30)     NOT NULL,
    subscription_id CHAR(30)     NOT NULL,
    base_version    INT UNSIGNED NOT NULL,
    -- The change as asked for, and what was computed from it: JSON of the domain's types.
    request         LONGTEXT     CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    lines_json      LONGTEXT     CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    total_kopecks   BIGINT       NOT NULL,
    expires_at      DATETIME(6)  NOT NULL,
    requested_by    VARCHAR(80)  NOT NULL,
    applied_at      DATETIME(6)  NULL,
    invoice_id      CHAR(30)     NULL,
    -- Idempotency key of the request that applied it, and the blind index of its body.
    idem_key        VARCHAR(120) NULL,
    body_hash       CHAR(64)     NULL,
    created_at      DATETIME(6)  NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY subscription_quotes_asked (subscription_id, idem_key),
    KEY subscription_quotes_age (created_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Invoices. Everything that was promised is frozen in the row.
CREATE TABLE subscription_invoices (
    id               CHAR(30)         NOT NULL,
    subscription_id  CHAR(30)         NOT NULL,
    install_id       CHAR(30)         NOT NULL,
    widget_id        CHAR(30)         NOT NULL,
    vendor_id        CHAR(30)         NOT NULL,
    kind             VARCHAR(8)       NOT NULL,
    state            VARCHAR(8)       NOT NULL,
    quote_id         CHAR(30)         NULL,
    -- Number of the period that a start or a renewal pays: one invoice per period. NULL for a change, and once void.
    period_slot      INT UNSIGNED     NULL,
    -- 1 while open, otherwise NULL: one open invoice per subscription.
    open_slot        TINYINT UNSIGNED NULL,
    -- Terms that the payment puts into effect, and the period that it pays.
    plan_id          CHAR(30)         NOT NULL,
    seat_kopecks     BIGINT           NOT NULL,
    seats            INT UNSIGNED     NOT NULL,
    months           INT UNSIGNED     NOT NULL,
    period_no        INT UNSIGNED     NOT NULL,
    period_from      DATE             NOT NULL,
    period_until     DATE             NOT NULL,
    zone             VARCHAR(32)      NOT NULL,
    title            VARCHAR(200)     CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    lines_json       LONGTEXT         CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    total_kopecks    BIGINT           NOT NULL,
    -- Tax data on the day of the invoice; NULL for those of the environment.
    taxation         VARCHAR(24)      NULL,
    vat              VARCHAR(8)       NULL,
    -- Address of receipts.
    contact_sealed   TEXT             NULL,
    -- Until when it can be paid; NULL for renewals, which end with the subscription.
    due_at           DATETIME(6)      NULL,
    -- Next automatic charge; NULL for none.
    charge_at        DATETIME(6)      NULL,
    charges_made     INT UNSIGNED     NOT NULL DEFAULT 0,
    failure_class    VARCHAR(8)       NULL,
    failure_code     VARCHAR(16)      NULL,
    paid_at          DATETIME(6)      NULL,
    paid_by          VARCHAR(12)      NULL,
    refunded_kopecks BIGINT           NOT NULL DEFAULT 0,
    void_reason      VARCHAR(16)      NULL,
    created_at       DATETIME(6)      NOT NULL,
    updated_at       DATETIME(6)      NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY subscription_invoices_period (subscription_id, period_slot),
    UNIQUE KEY subscription_invoices_open (subscription_id, open_slot),
    KEY subscription_invoices_history (subscription_id, created_at),
    KEY subscription_invoices_charge (charge_at),
    KEY subscription_invoices_due (state, due_at),
    CONSTRAINT subscription_invoices_amounts
        CHECK (total_kopecks >= 0 AND refunded_kopecks >= 0 AND refunded_kopecks <= total_kopecks)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Consents to recurring charges: evidence of what was agreed to, when and from where. Append-only, except for the card,
-- which is known after the payment, and the revocation.
CREATE TABLE subscription_consents (
    id              CHAR(30)        NOT NULL,
    subscription_id CHAR(30)        NOT NULL,
    invoice_id      CHAR(30)        NOT NULL,
    card_id         CHAR(30)        NULL,
    user_id         BIGINT UNSIGNED NULL,
    offer_version   VARCHAR(32)     NOT NULL,
    offer_text      TEXT            CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    ip_address      VARCHAR(45)     NOT NULL,
    agreed_at       DATETIME(6)     NOT NULL,
    revoked_at      DATETIME(6)     NULL,
    revoked_by      VARCHAR(80)     NULL,
    PRIMARY KEY (id),
    KEY subscription_consents_card (card_id, revoked_at),
    KEY subscription_consents_invoice (invoice_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Bonus days granted by operators. Append-only.
CREATE TABLE subscription_bonus_days (
    id              BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    subscription_id CHAR(30)        NOT NULL,
    days            INT UNSIGNED    NOT NULL,
    -- The boundary before and after the grant.
    moved_from      DATE            NULL,
    moved_to        DATE            NOT NULL,
    reason          VARCHAR(500)    CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    granted_by      VARCHAR(80)     NOT NULL,
    granted_at      DATETIME(6)     NOT NULL,
    PRIMARY KEY (id),
    KEY subscription_bonus_days_subscription (subscription_id, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Notices to people: one of a kind per boundary. Append-only.
CREATE TABLE subscription_notices (
    subscription_id CHAR(30)     NOT NULL,
    kind            VARCHAR(24)  NOT NULL,
    -- The day that the notice is about.
    about_on        DATE         NOT NULL,
    days_before     INT UNSIGNED NOT NULL,
    noted_at        DATETIME(6)  NOT NULL,
    PRIMARY KEY (subscription_id, kind, about_on, days_before)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Log of everything that changed a subscription: who, what, why, and the state before and after. Append-only.
CREATE TABLE subscription_actions (
    id              BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    subscription_id CHAR(30)        NOT NULL,
    -- `user:<id>`, `operator:<name>`, `bank` or `system`.
    actor           VARCHAR(80)     NOT NULL,
    action          VARCHAR(32)     NOT NULL,
    reason          VARCHAR(500)    CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL,
    invoice_id      CHAR(30)        NULL,
    details         LONGTEXT        CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    acted_at        DATETIME(6)     NOT NULL,
    PRIMARY KEY (id),
    KEY subscription_actions_subscription (subscription_id, id),
    KEY subscription_actions_time (acted_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
