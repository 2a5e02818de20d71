-- Settings are kept as they were written. MySQL's JSON type keeps a number as a double and loses digits of it, and
-- MariaDB's refuses what is nested more than 32 deep. The release before reads and writes a text alike.
ALTER TABLE installs
    MODIFY settings LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL;

ALTER TABLE settings_history
    MODIFY settings LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL;
