-- Former domains and names of accounts, for support: customers quote the domain that they know. Expands only: changes that an earlier
-- release makes are missing.
CREATE TABLE account_renames (
    platform    VARCHAR(12)     NOT NULL,
    account_id  BIGINT UNSIGNED NOT NULL,
    changed_at  DATETIME(6)     NOT NULL,
    -- Until then. The name is empty once it is erased.
    former_host VARCHAR(255)    NOT NULL,
    former_name VARCHAR(255)    CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    PRIMARY KEY (platform, account_id, changed_at),
    KEY account_renames_host (former_host),
    KEY account_renames_age (changed_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
