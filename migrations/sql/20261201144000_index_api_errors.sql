-- Errors of API calls by operation, status, code and request, for the filters of the vendors' portal: without these, a page of a rare
-- error among those of a loop reads them all. Each ends with the id, in the order of the pages. Expands only.
ALTER TABLE api_call_errors
    ADD KEY api_call_errors_operation (widget_id, operation, id),
    ADD KEY api_call_errors_status (widget_id, status, id),
    ADD KEY api_call_errors_code (widget_id, code, id),
    ADD KEY api_call_errors_request (widget_id, request_id, id);
