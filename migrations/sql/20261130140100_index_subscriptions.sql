-- Indexes for the admin panel's lists of subscriptions and invoices.
ALTER TABLE subscriptions ADD KEY subscriptions_state (state, id), ADD KEY subscriptions_account_id (account_id, id);
ALTER TABLE subscription_invoices ADD KEY subscription_invoices_state (state, id),
    ADD KEY subscription_invoices_subscription (subscription_id, id);
