-- Every version of an install's settings, the present one included: who set it and when.
CREATE TABLE settings_history (
    install_id CHAR(30)     NOT NULL,
    version    INT UNSIGNED NOT NULL,
    settings   JSON         NOT NULL,
    changed_by VARCHAR(80)  NOT NULL,
    changed_at DATETIME(6)  NOT NULL,
    PRIMARY KEY (install_id, version)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
