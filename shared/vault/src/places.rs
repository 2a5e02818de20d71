//! Where sealed texts live: each opens in its own row and column and nowhere else.

use flysk_domain::id::{InstallId, NoticeId, OauthCodeId, PurchaseId, WidgetId};

/// The integration's secret key.
pub fn client_secret(widget: WidgetId) -> String {
    format!("widgets.client_secret:{widget}")
}

/// The backend's project token.
pub fn project_token(widget: WidgetId) -> String {
    format!("widgets.project_token:{widget}")
}

/// The key events are signed with.
pub fn event_secret(widget: WidgetId) -> String {
    format!("widgets.event_secret:{widget}")
}

/// An access token.
pub fn access_token(install: InstallId) -> String {
    format!("install_tokens.access:{install}")
}

/// A refresh token.
pub fn refresh_token(install: InstallId) -> String {
    format!("install_tokens.refresh:{install}")
}

/// An authorization code.
pub fn code(code: OauthCodeId) -> String {
    format!("oauth_codes.code:{code}")
}

/// The pair a code was exchanged for.
pub fn pair_of_code(code: OauthCodeId) -> String {
    format!("oauth_codes.pair:{code}")
}

/// Where a purchase's receipt goes.
pub fn purchase_contact(purchase: PurchaseId) -> String {
    format!("coin_purchases.contact:{purchase}")
}

/// What charges the card a purchase was paid with.
pub fn purchase_rebill(purchase: PurchaseId) -> String {
    format!("coin_purchases.rebill:{purchase}")
}

/// The body of a notice of the bank.
pub fn notice_body(notice: NoticeId) -> String {
    format!("tbank_notices.body:{notice}")
}
