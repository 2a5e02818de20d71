-- Acts of operators on all rows of a list, and the result for each row.
CREATE TABLE bulk_acts (
    id             CHAR(30)      NOT NULL,
    operator_id    CHAR(30)      NOT NULL,
    operator_login VARCHAR(64)   NOT NULL,
    -- The act on one row, as the audit log names it: `job.replay`.
    action         VARCHAR(48)   NOT NULL,
    -- Path and query string of the list.
    list           VARCHAR(32)   NOT NULL,
    query          VARCHAR(1000) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    -- The act that this one takes back: its rows are the done ones of that act.
    undo_of        CHAR(30)      NULL,
    -- running, paused, stopped or done.
    state          VARCHAR(12)   NOT NULL,
    -- Rows that the operator has confirmed.
    expected       INT UNSIGNED  NOT NULL,
    done_count     INT UNSIGNED  NOT NULL DEFAULT 0,
    refused_count  INT UNSIGNED  NOT NULL DEFAULT 0,
    -- The row whose result was written last; rows follow by increasing ids.
    last_id        VARCHAR(40)   NULL,
    reason         VARCHAR(500)  CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    address        VARCHAR(45)   NOT NULL,
    correlation_id VARCHAR(64)   NOT NULL,
    -- Rows that were created later are not touched.
    requested_at   DATETIME(6)   NOT NULL,
    finished_at    DATETIME(6)   NULL,
    PRIMARY KEY (id),
    -- An act is taken back once.
    UNIQUE KEY bulk_acts_undo (undo_of)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

CREATE TABLE bulk_act_results (
    id           CHAR(30)     NOT NULL,
    bulk_act_id  CHAR(30)     NOT NULL,
    subject_id   VARCHAR(40)  NOT NULL,
    -- done or refused.
    outcome      VARCHAR(12)  NOT NULL,
    -- What was done, or why not, in Russian.
    detail       VARCHAR(300) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    happened_at  DATETIME(6)  NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY bulk_act_results_subject (bulk_act_id, subject_id),
    KEY bulk_act_results_list (bulk_act_id, id),
    KEY bulk_act_results_outcome (bulk_act_id, outcome, subject_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
