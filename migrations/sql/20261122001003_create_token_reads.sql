-- Who was given an account's access token, when and for what. Rows are only ever added.
CREATE TABLE token_reads (
    id             BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    install_id     CHAR(30)        NOT NULL,
    reader         VARCHAR(80)     NOT NULL,
    purpose        VARCHAR(64)     NOT NULL,
    correlation_id VARCHAR(64)     NOT NULL,
    read_at        DATETIME(6)     NOT NULL,
    PRIMARY KEY (id),
    KEY token_reads_install (install_id, read_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
