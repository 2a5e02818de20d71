-- Head of the audit log's hash chain: the last sealed row as the sealing transaction wrote it, so that removing the newest rows is
-- noticed. One row, which the first sealing inserts; earlier releases ignore the table.
CREATE TABLE audit_chain_head (
    -- Always 1.
    id           TINYINT UNSIGNED NOT NULL,
    chain_number BIGINT UNSIGNED  NOT NULL,
    chain_hash   CHAR(64)         NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
