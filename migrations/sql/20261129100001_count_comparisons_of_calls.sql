-- How many calls were compared with the others of the account. Whoever compares one writes the row, so that of two cards of one
-- call the first is the first on a cluster too.
ALTER TABLE flysense_accounts ADD COLUMN calls_compared BIGINT UNSIGNED NOT NULL DEFAULT 0;
