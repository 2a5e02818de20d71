-- Events of more kinds, with data of their own; the kinds that a widget receives; a log of deliveries by widget.
--
-- Way back: 0.1.0 runs on this schema. It cannot read events of the new kinds: delete them first
-- (DELETE FROM lifecycle_events WHERE type NOT IN ('install', 'activate', 'deactivate')).
ALTER TABLE lifecycle_events
    MODIFY COLUMN type VARCHAR(48) NOT NULL,
    -- Data of the kind as JSON, stored as sent: every attempt sends the same bytes. NULL for events of 0.1.0.
    ADD COLUMN data TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    -- The waiting events of an install in their order.
    ADD KEY lifecycle_events_line (install_id, state, sequence);

ALTER TABLE lifecycle_attempts
    -- The widget of the event; NULL only for rows of processes of 0.1.0.
    ADD COLUMN widget_id CHAR(30) NULL,
    -- Whether the worker stopped during the attempt, so that its response is unknown.
    ADD COLUMN interrupted BOOLEAN NOT NULL DEFAULT FALSE,
    ADD KEY lifecycle_attempts_widget (widget_id, id);

UPDATE lifecycle_attempts a JOIN lifecycle_events e ON e.id = a.event_id SET a.widget_id = e.widget_id;

-- Kinds of events that the widget receives, as a JSON array; NULL for install, activate and deactivate.
ALTER TABLE widgets ADD COLUMN event_kinds JSON NULL;
