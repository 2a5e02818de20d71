-- Index for the hourly checks of invoices that changed lately.
ALTER TABLE subscription_invoices ADD KEY subscription_invoices_updated (updated_at, id);
