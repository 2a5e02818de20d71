-- A widget may have an address for each kind of event, and one that fails must not stop the others. The address is
-- known by its SHA-256; rows of the release before have none, and go when nothing reads them any more.
ALTER TABLE event_endpoints
    ADD COLUMN address CHAR(64) NOT NULL DEFAULT '' AFTER widget_id,
    DROP PRIMARY KEY,
    ADD PRIMARY KEY (widget_id, address);
