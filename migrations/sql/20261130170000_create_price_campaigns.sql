-- Price campaigns: from one version of a plan to a later one, for those who have the former. Columns of type DATE are days in
-- Moscow.
CREATE TABLE price_campaigns (
    id            CHAR(30)         NOT NULL,
    widget_id     CHAR(30)         NOT NULL,
    from_plan_id  CHAR(30)         NOT NULL,
    to_plan_id    CHAR(30)         NOT NULL,
    -- The first period that begins on this day or later has the new price.
    effective_on  DATE             NOT NULL,
    -- 1 while it runs, otherwise NULL: one running campaign per version.
    running_slot  TINYINT UNSIGNED NULL,
    started_by    VARCHAR(80)      NOT NULL,
    reason        VARCHAR(500)     CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    created_at    DATETIME(6)      NOT NULL,
    stopped_at    DATETIME(6)      NULL,
    stopped_by    VARCHAR(80)      NULL,
    PRIMARY KEY (id),
    UNIQUE KEY price_campaigns_running (from_plan_id, running_slot),
    KEY price_campaigns_widget (widget_id, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Notices of new prices: what each customer was told, and when. A campaign has no effect on who is not listed. Append-only.
CREATE TABLE price_notices (
    campaign_id     CHAR(30)     NOT NULL,
    subscription_id CHAR(30)     NOT NULL,
    -- Prices of a seat for a period, and the number of seats of which the customer was told.
    old_kopecks     BIGINT       NOT NULL,
    new_kopecks     BIGINT       NOT NULL,
    seats           INT UNSIGNED NOT NULL,
    -- First day of the first period with the new price, as told.
    applies_on      DATE         NOT NULL,
    noticed_at      DATETIME(6)  NOT NULL,
    PRIMARY KEY (campaign_id, subscription_id),
    KEY price_notices_subscription (subscription_id, campaign_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Who has a version of a plan.
ALTER TABLE subscriptions ADD KEY subscriptions_plan (plan_id, id);
