-- Widgets that have ever sold subscriptions: accounts that bought one keep the page on which they cancel and unlink their card.
-- Expands only: the previous release runs on this schema and leaves the column as it is; the next change of a widget's sales
-- by this release catches up.
ALTER TABLE widgets ADD COLUMN sold_subscriptions BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE widgets SET sold_subscriptions = TRUE
    WHERE uses_subscriptions OR id IN (SELECT s.widget_id FROM subscriptions s WHERE s.plan_id IS NOT NULL);
