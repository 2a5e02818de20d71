-- A lock of a subscription writes its row: on a cluster a lock is local to a node, and rules about invoices, payments, cards and
-- seats that are decided under it held on one node only. Expands only: the previous release leaves the column as it is.
ALTER TABLE subscriptions ADD COLUMN locks_taken BIGINT UNSIGNED NOT NULL DEFAULT 0;
