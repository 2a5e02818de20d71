//! Associated data (AAD) of sealed values: a value opens only with its own table, column and row.

use flysk_domain::id::{
    BindingId, BotUpdateId, CardId, InstallId, InvoiceId, NotificationId, OauthCodeId, OperatorId,
    PurchaseId, TransferInvoiceId, VendorId, VendorUserId, WidgetId,
};

/// AAD of the secret key of a widget's integration.
pub fn client_secret(widget: WidgetId) -> String {
    format!("widgets.client_secret:{widget}")
}

/// AAD of a backend's project token.
pub fn project_token(widget: WidgetId) -> String {
    format!("widgets.project_token:{widget}")
}

/// AAD of the event secret, which signs events.
pub fn event_secret(widget: WidgetId) -> String {
    format!("widgets.event_secret:{widget}")
}

/// AAD of an install's access token.
pub fn access_token(install: InstallId) -> String {
    format!("install_tokens.access:{install}")
}

/// AAD of an install's refresh token.
pub fn refresh_token(install: InstallId) -> String {
    format!("install_tokens.refresh:{install}")
}

/// AAD of an authorization code.
pub fn code(code: OauthCodeId) -> String {
    format!("oauth_codes.code:{code}")
}

/// AAD of the token pair that a code was exchanged for.
pub fn pair_of_code(code: OauthCodeId) -> String {
    format!("oauth_codes.pair:{code}")
}

/// AAD of the contact for a purchase's receipt.
pub fn purchase_contact(purchase: PurchaseId) -> String {
    format!("coin_purchases.contact:{purchase}")
}

/// AAD of the `RebillId` of a purchase, which charges the buyer's card.
pub fn purchase_rebill(purchase: PurchaseId) -> String {
    format!("coin_purchases.rebill:{purchase}")
}

/// AAD of the `RebillId` of a saved card.
pub fn card_rebill(card: CardId) -> String {
    format!("payment_cards.rebill:{card}")
}

/// AAD of the body of a T-Bank notification.
pub fn notification_body(notification: NotificationId) -> String {
    format!("tbank_notifications.body:{notification}")
}

/// AAD of the password of a vendor's terminal.
pub fn terminal_password(vendor: VendorId) -> String {
    format!("vendors.terminal_password:{vendor}")
}

/// AAD of a vendor's token of the T-API.
pub fn t_api_token(vendor: VendorId) -> String {
    format!("vendors.t_api_token:{vendor}")
}

/// AAD of the address that a transfer invoice is sent to.
pub fn transfer_email(invoice: TransferInvoiceId) -> String {
    format!("transfer_invoices.email:{invoice}")
}

/// AAD of the bank's link to the document of a transfer invoice.
pub fn transfer_pdf_url(invoice: TransferInvoiceId) -> String {
    format!("transfer_invoices.pdf_url:{invoice}")
}

/// AAD of the contact for an invoice's receipts.
pub fn invoice_contact(invoice: InvoiceId) -> String {
    format!("subscription_invoices.contact:{invoice}")
}

/// AAD of the body of a messenger's update.
pub fn bot_update(update: BotUpdateId) -> String {
    format!("bot_updates.body:{update}")
}

/// AAD of the phone number of a bound person.
pub fn binding_phone(binding: BindingId) -> String {
    format!("activation_bindings.phone:{binding}")
}

/// AAD of the e-mail address of a bound person.
pub fn binding_email(binding: BindingId) -> String {
    format!("activation_bindings.email:{binding}")
}

/// AAD of the secret of an operator's second factor.
pub fn operator_totp(operator: OperatorId) -> String {
    format!("operators.totp:{operator}")
}

/// AAD of the secret of the second factor of a vendor's user.
pub fn vendor_user_totp(user: VendorUserId) -> String {
    format!("vendor_users.totp:{user}")
}
