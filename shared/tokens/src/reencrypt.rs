//! Re-encrypts all stored secrets with the current key while other processes keep running.

use chrono::{DateTime, Utc};
use flysk_crypto::{SealedContact, aad};
use flysk_domain::id::{
    CardId, InstallId, InvoiceId, NotificationId, OauthCodeId, PurchaseId, TransferInvoiceId, WidgetId,
};
use flysk_store::Conn;
use flysk_store::admin::operators::{self, Operator};
use flysk_store::platform::former_credentials;
use flysk_store::platform::invoice_payments;
use flysk_store::platform::oauth_codes::{self, Code};
use flysk_store::platform::purchases::{self, SealedNotification, SealedPurchase};
use flysk_store::platform::subscriptions;
use flysk_store::platform::tokens::{self, Pair};
use flysk_store::platform::transfers::{self, TransferInvoice};
use flysk_store::platform::vendors::{self, Vendor};
use flysk_store::platform::widgets::{self, Sealed, Widget};
use flysk_store::portal::users::{self, VendorUser};
use secrecy::ExposeSecret as _;

use crate::{Vault, VaultError};

/// Rows read per query.
const PAGE_SIZE: u32 = 200;

/// Result of a re-encryption.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReencryptionReport {
    /// Rows scanned.
    pub scanned: u64,
    /// Rows re-encrypted with the current key.
    pub reencrypted: u64,
    /// Rows changed by others meanwhile; run it again.
    pub skipped: u64,
    /// Latest expiry of project tokens that 0.1.0 replaced and that are still valid. They are stored as hashes only, which
    /// may need a previous key, so it must stay in the ring until then.
    pub former_tokens_until: Option<DateTime<Utc>>,
}

impl ReencryptionReport {
    fn count(&mut self, reencrypted: Option<bool>) {
        self.scanned += 1;
        match reencrypted {
            Some(true) => self.reencrypted += 1,
            Some(false) => self.skipped += 1,
            None => {}
        }
    }
}

impl Vault {
    /// Re-encrypts with the current key everything encrypted with a previous key.
    ///
    /// May be interrupted and repeated, and may run beside other processes: a row is replaced only if it is unchanged
    /// since it was read. Previous keys may be removed once nothing was re-encrypted or skipped, after
    /// [`ReencryptionReport::former_tokens_until`].
    pub async fn reencrypt_all(&self, conn: &mut Conn) -> Result<ReencryptionReport, VaultError> {
        let mut report = ReencryptionReport::default();
        for widget in widgets::list(conn).await? {
            report.count(self.reencrypt_widget(conn, &widget).await?);
            self.reencrypt_former(conn, widget.id, &mut report).await?;
        }
        for operator in operators::list(conn).await? {
            report.count(self.reencrypt_operator(conn, &operator).await?);
        }
        for user in users::list_all(conn).await? {
            report.count(self.reencrypt_vendor_user(conn, &user).await?);
        }
        let mut after: Option<InstallId> = None;
        loop {
            let pairs = tokens::list_page(conn, after, None, PAGE_SIZE).await?;
            let Some(last) = pairs.last() else { break };
            after = Some(last.install_id);
            for pair in &pairs {
                report.count(self.reencrypt_pair(conn, pair).await?);
            }
        }
        let mut after: Option<OauthCodeId> = None;
        loop {
            let codes = oauth_codes::list_waiting(conn, after, PAGE_SIZE).await?;
            let Some(last) = codes.last() else { break };
            after = Some(last.id);
            for code in &codes {
                report.count(self.reencrypt_code(conn, code).await?);
            }
        }
        self.reencrypt_purchases(conn, &mut report).await?;
        for vendor in vendors::list_vendors(conn).await? {
            report.count(self.reencrypt_vendor(conn, &vendor).await?);
        }
        let mut after: Option<InvoiceId> = None;
        loop {
            let page = subscriptions::list_sealed_contacts(conn, after, PAGE_SIZE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (id, sealed) in &page {
                report.count(self.reencrypt_contact(conn, *id, sealed).await?);
            }
        }
        self.reencrypt_cards(conn, &mut report).await?;
        self.reencrypt_transfers(conn, &mut report).await?;
        Ok(report)
    }

    async fn reencrypt_vendor(&self, conn: &mut Conn, vendor: &Vendor) -> Result<Option<bool>, VaultError> {
        let stale = vendor.terminal_password_sealed.as_deref().filter(|text| !self.keyring.is_current(text));
        let Some(sealed) = stale else { return Ok(None) };
        let sealed = self.reencrypt(sealed, &aad::terminal_password(vendor.id))?;
        Ok(Some(vendors::reseal_vendor(conn, vendor, &sealed).await?))
    }

    async fn reencrypt_contact(
        &self,
        conn: &mut Conn,
        id: InvoiceId,
        sealed: &str,
    ) -> Result<Option<bool>, VaultError> {
        if self.keyring.is_current(sealed) {
            return Ok(None);
        }
        let fresh = self.reencrypt_email(sealed, &aad::invoice_contact(id))?;
        let contact = (fresh.sealed.as_str(), fresh.index.as_bytes().as_slice());
        Ok(Some(subscriptions::reseal_contact(conn, id, sealed, contact).await?))
    }

    async fn reencrypt_purchases(
        &self,
        conn: &mut Conn,
        report: &mut ReencryptionReport,
    ) -> Result<(), VaultError> {
        let mut after: Option<PurchaseId> = None;
        loop {
            let page = purchases::list_sealed_purchases(conn, after, PAGE_SIZE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for purchase in &page {
                report.count(self.reencrypt_purchase(conn, purchase).await?);
            }
        }
        let mut after: Option<NotificationId> = None;
        loop {
            let page = purchases::list_sealed_notifications(conn, after, PAGE_SIZE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for notification in &page {
                report.count(self.reencrypt_notification(conn, notification).await?);
            }
        }
        Ok(())
    }

    async fn reencrypt_cards(
        &self,
        conn: &mut Conn,
        report: &mut ReencryptionReport,
    ) -> Result<(), VaultError> {
        let mut after: Option<CardId> = None;
        loop {
            let page = invoice_payments::list_sealed_cards(conn, after, PAGE_SIZE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for card in &page {
                let resealed = if self.keyring.is_current(&card.rebill) {
                    None
                } else {
                    let rebill = self.reencrypt(&card.rebill, &aad::card_rebill(card.id))?;
                    Some(invoice_payments::reseal_card(conn, card, &rebill).await?)
                };
                report.count(resealed);
            }
        }
        Ok(())
    }

    /// Vendors' tokens of the T-API, and addresses and links of transfer invoices.
    async fn reencrypt_transfers(
        &self,
        conn: &mut Conn,
        report: &mut ReencryptionReport,
    ) -> Result<(), VaultError> {
        for access in transfers::list_accesses(conn).await? {
            let resealed = if self.keyring.is_current(&access.token_sealed) {
                None
            } else {
                let token = self.reencrypt(&access.token_sealed, &aad::t_api_token(access.vendor_id))?;
                Some(transfers::reseal_access(conn, &access, &token).await?)
            };
            report.count(resealed);
        }
        let mut after: Option<TransferInvoiceId> = None;
        loop {
            let page = transfers::list_sealed_transfer_invoices(conn, after, PAGE_SIZE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for invoice in &page {
                report.count(self.reencrypt_transfer(conn, invoice).await?);
            }
        }
        Ok(())
    }

    async fn reencrypt_transfer(
        &self,
        conn: &mut Conn,
        invoice: &TransferInvoice,
    ) -> Result<Option<bool>, VaultError> {
        let mut resealed = None;
        let email = Some(invoice.email_sealed.as_str()).filter(|email| !email.is_empty());
        if let Some(email) = email.filter(|email| !self.keyring.is_current(email)) {
            let fresh = self.reencrypt_email(email, &aad::transfer_email(invoice.id))?;
            let contact = (fresh.sealed.as_str(), fresh.index.as_bytes().as_slice());
            resealed = Some(transfers::reseal_transfer_email(conn, invoice.id, email, contact).await?);
        }
        let link = invoice.pdf_url_sealed.as_deref().filter(|link| !self.keyring.is_current(link));
        if let Some(link) = link {
            let fresh = self.reencrypt(link, &aad::transfer_pdf_url(invoice.id))?;
            let replaced = transfers::reseal_transfer_link(conn, invoice.id, link, &fresh).await?;
            resealed = Some(resealed.unwrap_or(true) && replaced);
        }
        Ok(resealed)
    }

    /// `None` if the row already uses the current key.
    async fn reencrypt_widget(&self, conn: &mut Conn, widget: &Widget) -> Result<Option<bool>, VaultError> {
        let events = widget.event_secret_sealed.as_deref();
        let sealed = [Some(widget.client_secret_sealed.as_str()), Some(&widget.project_token_sealed), events];
        if sealed.into_iter().flatten().all(|text| self.keyring.is_current(text)) {
            return Ok(None);
        }
        let id = widget.id;
        let token = self.keyring.open(&widget.project_token_sealed, &aad::project_token(id))?;
        let event_secret = events.map(|text| self.reencrypt(text, &aad::event_secret(id))).transpose()?;
        let row = Sealed {
            client_secret: &self.reencrypt(&widget.client_secret_sealed, &aad::client_secret(id))?,
            project_token: &self.seal(&token, &aad::project_token(id))?,
            project_token_hash: &self.blind_index(&token),
            event_secret: event_secret.as_deref(),
        };
        Ok(Some(widgets::reseal(conn, widget, &row, self.clock().now()).await?))
    }

    /// Re-encrypts the replaced credentials of a widget that are still valid.
    async fn reencrypt_former(
        &self,
        conn: &mut Conn,
        widget: WidgetId,
        report: &mut ReencryptionReport,
    ) -> Result<(), VaultError> {
        let now = self.clock().now();
        for token in former_credentials::list_tokens(conn, widget, now).await? {
            let Some(sealed) = &token.token_sealed else {
                report.former_tokens_until = report.former_tokens_until.max(Some(token.valid_until));
                continue;
            };
            let replaced = if self.keyring.is_current(sealed) {
                None
            } else {
                let aad = aad::project_token(widget);
                let opened = self.keyring.open(sealed, &aad)?;
                let (sealed, hash) = (self.seal(&opened, &aad)?, self.blind_index(&opened));
                Some(former_credentials::reseal_token(conn, &token, &sealed, &hash).await?)
            };
            report.count(replaced);
        }
        for secret in former_credentials::list_secrets(conn, widget, now).await? {
            let replaced = if self.keyring.is_current(&secret.secret_sealed) {
                None
            } else {
                let sealed = self.reencrypt(&secret.secret_sealed, &aad::event_secret(widget))?;
                Some(former_credentials::reseal_secret(conn, widget, &secret, &sealed).await?)
            };
            report.count(replaced);
        }
        Ok(())
    }

    async fn reencrypt_operator(
        &self,
        conn: &mut Conn,
        operator: &Operator,
    ) -> Result<Option<bool>, VaultError> {
        let Some(sealed) = operator.totp_sealed.as_deref().filter(|text| !self.keyring.is_current(text))
        else {
            return Ok(None);
        };
        let resealed = self.reencrypt(sealed, &aad::operator_totp(operator.id))?;
        Ok(Some(operators::reseal_totp(conn, operator.id, sealed, &resealed).await?))
    }

    async fn reencrypt_vendor_user(
        &self,
        conn: &mut Conn,
        user: &VendorUser,
    ) -> Result<Option<bool>, VaultError> {
        let Some(sealed) = user.totp_sealed.as_deref().filter(|text| !self.keyring.is_current(text)) else {
            return Ok(None);
        };
        let resealed = self.reencrypt(sealed, &aad::vendor_user_totp(user.id))?;
        Ok(Some(users::reseal_totp(conn, user.id, sealed, &resealed).await?))
    }

    async fn reencrypt_pair(&self, conn: &mut Conn, pair: &Pair) -> Result<Option<bool>, VaultError> {
        if self.keyring.is_current(&pair.access_sealed) && self.keyring.is_current(&pair.refresh_sealed) {
            return Ok(None);
        }
        let access = self.reencrypt(&pair.access_sealed, &aad::access_token(pair.install_id))?;
        let refresh = self.reencrypt(&pair.refresh_sealed, &aad::refresh_token(pair.install_id))?;
        Ok(Some(tokens::reseal(conn, pair, &access, &refresh).await?))
    }

    async fn reencrypt_code(&self, conn: &mut Conn, code: &Code) -> Result<Option<bool>, VaultError> {
        let kept = code.pair_sealed.as_deref();
        let text = Some(code.code_sealed.as_str()).filter(|text| !text.is_empty());
        if text.into_iter().chain(kept).all(|text| self.keyring.is_current(text)) {
            return Ok(None);
        }
        let text = text.map(|text| self.reencrypt(text, &aad::code(code.id))).transpose()?;
        let kept = kept.map(|text| self.reencrypt(text, &aad::pair_of_code(code.id))).transpose()?;
        let text = text.unwrap_or_default();
        Ok(Some(oauth_codes::reseal(conn, code, &text, kept.as_deref()).await?))
    }

    async fn reencrypt_purchase(
        &self,
        conn: &mut Conn,
        purchase: &SealedPurchase,
    ) -> Result<Option<bool>, VaultError> {
        let rebill = purchase.rebill.as_deref();
        let sealed = [Some(purchase.contact.as_str()), rebill];
        if sealed.into_iter().flatten().all(|text| self.keyring.is_current(text)) {
            return Ok(None);
        }
        let fresh = self.reencrypt_email(&purchase.contact, &aad::purchase_contact(purchase.id))?;
        let contact = (fresh.sealed.as_str(), fresh.index.as_bytes().as_slice());
        let rebill =
            rebill.map(|text| self.reencrypt(text, &aad::purchase_rebill(purchase.id))).transpose()?;
        Ok(Some(purchases::reseal_purchase(conn, purchase, contact, rebill.as_deref()).await?))
    }

    async fn reencrypt_notification(
        &self,
        conn: &mut Conn,
        notification: &SealedNotification,
    ) -> Result<Option<bool>, VaultError> {
        if self.keyring.is_current(&notification.body) {
            return Ok(None);
        }
        let body = self.reencrypt(&notification.body, &aad::notification_body(notification.id))?;
        Ok(Some(purchases::reseal_notification(conn, notification, &body).await?))
    }

    /// The same for an e-mail address, with the hash that finds it.
    fn reencrypt_email(&self, sealed: &str, aad: &str) -> Result<SealedContact, VaultError> {
        let address = self.keyring.open(sealed, aad)?;
        Ok(self.keyring.seal_email(address.expose_secret(), aad)?)
    }

    fn reencrypt(&self, sealed: &str, aad: &str) -> Result<String, VaultError> {
        self.seal(&self.keyring.open(sealed, aad)?, aad)
    }
}
