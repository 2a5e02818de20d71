-- What settings must look like for a version of a widget: pages of an older version go on writing what they know.
-- `widgets.settings_schema` stays what holds for everybody else.
CREATE TABLE widget_schemas (
    widget_id      CHAR(30)    NOT NULL,
    widget_version VARCHAR(32) NOT NULL,
    settings       JSON        NOT NULL,
    updated_at     DATETIME(6) NOT NULL,
    PRIMARY KEY (widget_id, widget_version)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
