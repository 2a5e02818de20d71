-- What changed of what API processes keep in memory: each reads what is new a few times a second and forgets what is named.
CREATE TABLE platform_changes (
    id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    what       VARCHAR(12)     NOT NULL,
    subject    VARCHAR(30)     NOT NULL,
    changed_at DATETIME(6)     NOT NULL,
    PRIMARY KEY (id),
    KEY platform_changes_age (changed_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
