-- Keyed hashes of encrypted e-mail addresses and phone numbers, by which the search box of the panel finds them. NULL: not computed
-- yet; empty: there is nothing to find, because the contact was erased or never given. Rows of before, and those that an earlier
-- release writes, are filled in by `upkeep.hash_contacts`. Expands only; an earlier release leaves the columns as they are.
ALTER TABLE coin_purchases ADD COLUMN contact_hash VARBINARY(32) NULL;
ALTER TABLE coin_purchases ADD KEY coin_purchases_contact (contact_hash, id);
ALTER TABLE subscription_invoices ADD COLUMN contact_hash VARBINARY(32) NULL;
ALTER TABLE subscription_invoices ADD KEY subscription_invoices_contact (contact_hash, id);
ALTER TABLE transfer_invoices ADD COLUMN email_hash VARBINARY(32) NULL;
ALTER TABLE transfer_invoices ADD KEY transfer_invoices_email (email_hash, id);
ALTER TABLE activation_bindings ADD COLUMN phone_hash VARBINARY(32) NULL;
ALTER TABLE activation_bindings ADD COLUMN email_hash VARBINARY(32) NULL;
ALTER TABLE activation_bindings
    ADD KEY activation_bindings_phone (phone_hash, id),
    ADD KEY activation_bindings_email (email_hash, id);
