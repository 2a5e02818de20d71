//! Moving everything sealed to the key that encrypts now, while everybody works.

use chrono::{DateTime, Utc};
use flysk_domain::id::{InstallId, NoticeId, OauthCodeId, PurchaseId};
use flysk_store::Conn;
use flysk_store::platform::oauth_codes::{self, Code};
use flysk_store::platform::tokens::{self, Pair};
use flysk_store::platform::widgets::{self, Sealed, Widget};
use flysk_store::purchases::{self, SealedNotice, SealedPurchase};

use crate::{Vault, VaultError, places};

/// How many rows are read at once.
const PAGE: u32 = 200;

/// What was moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Rows looked at.
    pub seen: u64,
    /// Rows moved to the current key.
    pub moved: u64,
    /// Rows somebody changed meanwhile; run it again.
    pub missed: u64,
    /// Until when former project tokens are good: they are found by a hash that may be under a former key, and without
    /// that key not at all.
    pub former_tokens_until: Option<DateTime<Utc>>,
}

impl Resealed {
    fn count(&mut self, moved: Option<bool>) {
        self.seen += 1;
        match moved {
            Some(true) => self.moved += 1,
            Some(false) => self.missed += 1,
            None => {}
        }
    }
}

impl Vault {
    /// Seals everything that is under a former key again under the current one.
    ///
    /// May be interrupted and run again, beside running processes: a row is replaced only if it is as it
    /// was read. Once nothing is moved and nothing missed, and no former project token is good any more, former keys can
    /// go.
    pub async fn reseal_all(&self, conn: &mut Conn) -> Result<Resealed, VaultError> {
        let mut done = Resealed::default();
        for widget in widgets::list(conn).await? {
            done.count(self.reseal_widget(conn, &widget).await?);
            let good = widget.former_token_until.filter(|until| *until > self.clock().now());
            done.former_tokens_until = done.former_tokens_until.max(good);
        }
        let mut after: Option<InstallId> = None;
        loop {
            let pairs = tokens::list_page(conn, after, None, PAGE).await?;
            let Some(last) = pairs.last() else { break };
            after = Some(last.install_id);
            for pair in &pairs {
                done.count(self.reseal_pair(conn, pair).await?);
            }
        }
        let mut after: Option<OauthCodeId> = None;
        loop {
            let codes = oauth_codes::list_waiting(conn, after, PAGE).await?;
            let Some(last) = codes.last() else { break };
            after = Some(last.id);
            for code in &codes {
                done.count(self.reseal_code(conn, code).await?);
            }
        }
        self.reseal_purchases(conn, &mut done).await?;
        Ok(done)
    }

    async fn reseal_purchases(&self, conn: &mut Conn, done: &mut Resealed) -> Result<(), VaultError> {
        let mut after: Option<PurchaseId> = None;
        loop {
            let page = purchases::list_sealed_purchases(conn, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for purchase in &page {
                done.count(self.reseal_purchase(conn, purchase).await?);
            }
        }
        let mut after: Option<NoticeId> = None;
        loop {
            let page = purchases::list_sealed_notices(conn, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for notice in &page {
                done.count(self.reseal_notice(conn, notice).await?);
            }
        }
        Ok(())
    }

    /// `None` if the row is under the current key already.
    async fn reseal_widget(&self, conn: &mut Conn, widget: &Widget) -> Result<Option<bool>, VaultError> {
        let events = widget.event_secret_sealed.as_deref();
        let sealed = [Some(widget.client_secret_sealed.as_str()), Some(&widget.project_token_sealed), events];
        if sealed.into_iter().flatten().all(|text| self.keyring.is_current(text)) {
            return Ok(None);
        }
        let id = widget.id;
        let token = self.keyring.open(&widget.project_token_sealed, &places::project_token(id))?;
        let event_secret = events.map(|text| self.again(text, &places::event_secret(id))).transpose()?;
        let row = Sealed {
            client_secret: &self.again(&widget.client_secret_sealed, &places::client_secret(id))?,
            project_token: &self.seal(&token, &places::project_token(id))?,
            project_token_hash: &self.lookup(&token),
            event_secret: event_secret.as_deref(),
        };
        Ok(Some(widgets::reseal(conn, widget, &row, self.clock().now()).await?))
    }

    async fn reseal_pair(&self, conn: &mut Conn, pair: &Pair) -> Result<Option<bool>, VaultError> {
        if self.keyring.is_current(&pair.access_sealed) && self.keyring.is_current(&pair.refresh_sealed) {
            return Ok(None);
        }
        let access = self.again(&pair.access_sealed, &places::access_token(pair.install_id))?;
        let refresh = self.again(&pair.refresh_sealed, &places::refresh_token(pair.install_id))?;
        Ok(Some(tokens::reseal(conn, pair, &access, &refresh).await?))
    }

    async fn reseal_code(&self, conn: &mut Conn, code: &Code) -> Result<Option<bool>, VaultError> {
        let kept = code.pair_sealed.as_deref();
        let text = Some(code.code_sealed.as_str()).filter(|text| !text.is_empty());
        if text.into_iter().chain(kept).all(|text| self.keyring.is_current(text)) {
            return Ok(None);
        }
        let text = text.map(|text| self.again(text, &places::code(code.id))).transpose()?;
        let kept = kept.map(|text| self.again(text, &places::pair_of_code(code.id))).transpose()?;
        let text = text.unwrap_or_default();
        Ok(Some(oauth_codes::reseal(conn, code, &text, kept.as_deref()).await?))
    }

    async fn reseal_purchase(
        &self,
        conn: &mut Conn,
        purchase: &SealedPurchase,
    ) -> Result<Option<bool>, VaultError> {
        let rebill = purchase.rebill.as_deref();
        let sealed = [Some(purchase.contact.as_str()), rebill];
        if sealed.into_iter().flatten().all(|text| self.keyring.is_current(text)) {
            return Ok(None);
        }
        let contact = self.again(&purchase.contact, &places::purchase_contact(purchase.id))?;
        let rebill =
            rebill.map(|text| self.again(text, &places::purchase_rebill(purchase.id))).transpose()?;
        Ok(Some(purchases::reseal_purchase(conn, purchase, &contact, rebill.as_deref()).await?))
    }

    async fn reseal_notice(
        &self,
        conn: &mut Conn,
        notice: &SealedNotice,
    ) -> Result<Option<bool>, VaultError> {
        if self.keyring.is_current(&notice.body) {
            return Ok(None);
        }
        let body = self.again(&notice.body, &places::notice_body(notice.id))?;
        Ok(Some(purchases::reseal_notice(conn, notice, &body).await?))
    }

    fn again(&self, sealed: &str, place: &str) -> Result<String, VaultError> {
        self.seal(&self.keyring.open(sealed, place)?, place)
    }
}
