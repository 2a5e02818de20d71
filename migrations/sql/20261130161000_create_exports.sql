-- Rights of operators that no role includes, and exports of lists. Whoever could export so far may continue to.
ALTER TABLE operators ADD COLUMN rights VARCHAR(120) NOT NULL DEFAULT '';
UPDATE operators SET rights = 'export' WHERE role IN ('operator', 'owner');

CREATE TABLE list_exports (
    id             CHAR(30)        NOT NULL,
    operator_id    CHAR(30)        NOT NULL,
    -- Path and query string of the list.
    list           VARCHAR(32)     NOT NULL,
    query          VARCHAR(1000)   CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    -- csv or xlsx.
    file_format    VARCHAR(8)      NOT NULL,
    -- writing, ready, failed or deleted.
    state          VARCHAR(12)     NOT NULL,
    rows_written   BIGINT UNSIGNED NOT NULL DEFAULT 0,
    -- Whether the list has more rows than an export may have.
    is_cut         BOOLEAN         NOT NULL DEFAULT FALSE,
    file_bytes     BIGINT UNSIGNED NULL,
    requested_at   DATETIME(6)     NOT NULL,
    -- Last progress; an export that makes none for a day has failed.
    updated_at     DATETIME(6)     NOT NULL,
    -- When the file is deleted from object storage.
    expires_at     DATETIME(6)     NULL,
    PRIMARY KEY (id),
    KEY list_exports_operator (operator_id, id),
    KEY list_exports_state (state, updated_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
