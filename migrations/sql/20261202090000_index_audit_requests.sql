-- Acts of a request, by the number that error pages, logs and jobs name: the search box of the admin panel finds them, and the page of a
-- job shows the act that caused it. Expands only.
ALTER TABLE audit_log ADD KEY audit_log_correlation (correlation_id, id);
