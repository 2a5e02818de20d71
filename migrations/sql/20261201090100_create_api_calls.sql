-- Log of API calls for vendors: counts by widget, day, operation and class of status, and the latest errors. API processes add to
-- it every few seconds. Earlier releases ignore both tables.
CREATE TABLE api_call_counts (
    widget_id    CHAR(30)         NOT NULL,
    day          DATE             NOT NULL,
    -- Id of the operation in the OpenAPI document: `chargeFlycoins`.
    operation    VARCHAR(64)      NOT NULL,
    -- First digit of the status: 2 to 5.
    status_class TINYINT UNSIGNED NOT NULL,
    calls        BIGINT UNSIGNED  NOT NULL,
    PRIMARY KEY (widget_id, day, operation, status_class),
    KEY api_call_counts_day (day)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

CREATE TABLE api_call_errors (
    id          BIGINT UNSIGNED   NOT NULL AUTO_INCREMENT,
    widget_id   CHAR(30)          NOT NULL,
    happened_at DATETIME(6)       NOT NULL,
    operation   VARCHAR(64)       NOT NULL,
    status      SMALLINT UNSIGNED NOT NULL,
    -- Code and description of the problem, as the caller got them.
    code        VARCHAR(48)       NOT NULL,
    detail      VARCHAR(500)      CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    -- `X-Request-Id` of the answer.
    request_id  VARCHAR(64)       NOT NULL,
    PRIMARY KEY (id),
    KEY api_call_errors_widget (widget_id, id),
    KEY api_call_errors_age (happened_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
