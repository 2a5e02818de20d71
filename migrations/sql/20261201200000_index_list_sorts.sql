-- Indexes for the sorts of the admin panel's lists: each has the column, behind the one of a filter, and ends with the id, in the
-- order of the pages. The list of subscriptions is sorted by a shown value of two columns: a virtual column, which needs no copy of the
-- table. Expands only.
ALTER TABLE subscriptions
    -- The day that the list shows: the end of the period, of the trial if there was none.
    ADD COLUMN ends_on DATE GENERATED ALWAYS AS (COALESCE(period_until, trial_until)) VIRTUAL;
ALTER TABLE subscriptions
    ADD KEY subscriptions_ends (ends_on, id),
    ADD KEY subscriptions_state_ends (state, ends_on, id),
    ADD KEY subscriptions_widget_ends (widget_id, ends_on, id);
ALTER TABLE subscription_invoices
    ADD KEY subscription_invoices_total (total_kopecks, id),
    ADD KEY subscription_invoices_state_total (state, total_kopecks, id);
ALTER TABLE invoice_payments
    ADD KEY invoice_payments_amount (amount_kopecks, id),
    ADD KEY invoice_payments_state_amount (state, amount_kopecks, id);
ALTER TABLE coin_purchases
    ADD KEY coin_purchases_price (price_kopecks, id),
    ADD KEY coin_purchases_state_price (state, price_kopecks, id);
ALTER TABLE transfer_invoices
    ADD KEY transfer_invoices_amount (amount_kopecks, id),
    ADD KEY transfer_invoices_state_amount (state, amount_kopecks, id),
    ADD KEY transfer_invoices_state_due (state, due_on, id);
