-- Events of a widget in a state, for panel and portal: without this, a page of the few that failed reads all events of the widget.
-- Ends with the id, in the order of the pages. Expands only.
ALTER TABLE lifecycle_events
    ADD KEY lifecycle_events_widget_state (widget_id, state, id);
