-- How many transactions were begun under the job's leases. Each of them writes the row it locks: on a cluster a lock that writes
-- nothing holds nobody off who works on another node.
ALTER TABLE jobs ADD COLUMN units_begun INT UNSIGNED NOT NULL DEFAULT 0;
