-- Indexes for filters of the admin panel's lists and sources of the timeline that have to read all rows of a widget, an install, a
-- wallet, a day or a kind to find the newest of them, and for names of accounts, which the search box looks for. Each ends with the
-- id, in the order of the pages. Expands only.
ALTER TABLE accounts ADD KEY accounts_name (platform, name, id);
ALTER TABLE installs ADD KEY installs_widget (widget_id, id);
ALTER TABLE subscriptions ADD KEY subscriptions_widget (widget_id, id);
ALTER TABLE subscription_invoices ADD KEY subscription_invoices_kind_id (kind, id);
ALTER TABLE lifecycle_events
    ADD KEY lifecycle_events_widget (widget_id, id),
    ADD KEY lifecycle_events_install (install_id, id);
ALTER TABLE coin_purchases ADD KEY coin_purchases_wallet_id (wallet_id, id);
ALTER TABLE tbank_discrepancies
    ADD KEY tbank_discrepancies_day (day, id),
    ADD KEY tbank_discrepancies_kind (kind, id);
ALTER TABLE audit_log ADD KEY audit_log_kind (subject_kind, id);
ALTER TABLE bulk_act_results ADD KEY bulk_act_results_outcome_id (bulk_act_id, outcome, id);
