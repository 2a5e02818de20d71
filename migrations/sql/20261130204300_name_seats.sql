-- Names of the users who have seats, as the account's users were last read. Personal data: rows go with an erasure of the account.
--
-- Only adds a column: the previous release runs on this schema.
ALTER TABLE subscription_seats
    ADD COLUMN user_name VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL;
