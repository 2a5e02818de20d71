-- How the address of a widget's backend has been doing; one that fails again and again is left alone for a while.
CREATE TABLE event_endpoints (
    widget_id  CHAR(30)     NOT NULL,
    failures   INT UNSIGNED NOT NULL DEFAULT 0,
    open_until DATETIME(6)  NULL,
    updated_at DATETIME(6)  NOT NULL,
    PRIMARY KEY (widget_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
