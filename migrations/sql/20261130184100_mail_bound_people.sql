-- FlySense's notices by e-mail to bound people whom the messenger does not reach.

-- E-mail address from the profile in amoCRM, sealed; NULL if amoCRM tells none, or the mail server says that it does not exist.
ALTER TABLE activation_bindings ADD COLUMN email_sealed TEXT NULL;

-- The notice of a message that the messenger did not deliver.
ALTER TABLE activation_notices ADD KEY activation_notices_message (message_id);
