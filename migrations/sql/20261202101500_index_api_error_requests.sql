-- Errors of API calls by the number of their request, whatever the widget: the search box of the admin panel finds a request that caused
-- nothing but an error. Expands only.
ALTER TABLE api_call_errors ADD KEY api_call_errors_request_id (request_id, id);
