-- Height of the rows of the panel's tables, as each operator prefers it. Earlier releases ignore the column.
ALTER TABLE operators ADD COLUMN row_density VARCHAR(12) NOT NULL DEFAULT 'comfortable';
