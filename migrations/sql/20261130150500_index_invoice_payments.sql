-- Indexes for the admin panel's lists of payments and receipts, and for its figures of subscriptions.
ALTER TABLE invoice_payments ADD KEY invoice_payments_state (state, id), ADD KEY invoice_payments_install (install_id, id),
    ADD KEY invoice_payments_bank (payment_id);
ALTER TABLE invoice_receipts ADD KEY invoice_receipts_state (state, id), ADD KEY invoice_receipts_invoice (invoice_id);
ALTER TABLE subscription_invoices ADD KEY subscription_invoices_paid (paid_at),
    ADD KEY subscription_invoices_install (install_id, id);
ALTER TABLE subscriptions ADD KEY subscriptions_review (needs_person, id);
