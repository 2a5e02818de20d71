-- Delivery log by outcome, for vendors: without this, a page of failures among millions of delivered attempts reads them all. The
-- column is virtual, so adding it writes no row.
ALTER TABLE lifecycle_attempts
    -- 1 delivered, 2 refused (410), 3 failed, 4 interrupted.
    ADD COLUMN outcome TINYINT UNSIGNED GENERATED ALWAYS AS (
        CASE WHEN interrupted THEN 4 WHEN status BETWEEN 200 AND 299 THEN 1 WHEN status = 410 THEN 2 ELSE 3 END
    ) VIRTUAL;

ALTER TABLE lifecycle_attempts ADD KEY lifecycle_attempts_outcome (widget_id, outcome, id);
