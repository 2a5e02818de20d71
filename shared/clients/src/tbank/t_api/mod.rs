//! Client of T-Bank's T-API for businesses: invoices that are paid by transfer, and the account's statement.
//!
//! The T-API is not the acquiring: Bearer token, camelCase, amounts in roubles. It has no idempotency keys (`X-Request-Id` only
//! traces), so the client never retries, and the caller stores its intent before [`TApi::send_invoice`].
//!
//! Source: T-API (business.tbank.ru/openapi), methods `invoice/send`, `invoice/{id}/info`, `statement`.

mod error;
mod roubles;
mod send;
mod statement;

use ::http::header::CONTENT_TYPE;
use bytes::Bytes;
use reqwest::Client;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::http::{self, BuildError, HttpOptions, Idempotency};

pub use error::TApiError;
pub use send::{InvoiceStatus, InvoiceToSend, SentInvoice};
pub use statement::{Credit, StatementPage, StatementPeriod};

/// URL, token and HTTP options.
#[derive(Debug, Clone)]
pub struct TApiConfig {
    /// Base URL, `https://business.tbank.ru/openapi/`.
    pub base_url: Url,
    /// Token of the vendor, issued in the online account of the business; may be bound to IP addresses.
    pub token: SecretString,
    /// HTTP options, with the Russian national root certificate that the bank's certificate requires (`extra_roots`).
    pub http: HttpOptions,
}

/// A client for one vendor; clones share connections.
#[derive(Debug, Clone)]
pub struct TApi {
    client: Client,
    base_url: Url,
    token: SecretString,
}

impl TApi {
    /// Builds the client; sends nothing.
    pub fn new(config: TApiConfig) -> Result<Self, BuildError> {
        let mut base_url = config.base_url;
        if !base_url.path().ends_with('/') {
            let path = format!("{}/", base_url.path());
            base_url.set_path(&path);
        }
        Ok(Self { client: http::client(&config.http)?, base_url, token: config.token })
    }

    /// Has the bank write an invoice and send it. Not idempotent: after a lost response there is no id to ask by, and a repetition
    /// may send a second letter.
    pub async fn send_invoice(&self, invoice: &InvoiceToSend<'_>) -> Result<SentInvoice, TApiError> {
        let url = self.url("api/v1/invoice/send")?;
        let body = send::body(invoice).map_err(|_| TApiError::Unwritable)?;
        let request = self.client.post(url).header(CONTENT_TYPE, "application/json");
        self.call(request.body(body), Idempotency::NotSafe).await
    }

    /// Queries the status of an invoice by the bank's id. Safe to repeat.
    pub async fn invoice_status(&self, bank_invoice_id: &str) -> Result<InvoiceStatus, TApiError> {
        let mut url = self.url("api/v1/openapi/invoice/")?;
        url.path_segments_mut()
            .map_err(|()| TApiError::Unwritable)?
            .pop_if_empty()
            .extend([bank_invoice_id, "info"]);
        let told: send::Info = self.call(self.client.get(url), Idempotency::Safe).await?;
        Ok(told.into())
    }

    /// Reads a page of the statement: money that was booked as received. Safe to repeat.
    pub async fn statement(
        &self,
        period: &StatementPeriod<'_>,
        cursor: Option<&str>,
    ) -> Result<StatementPage, TApiError> {
        let mut url = self.url("api/v1/statement")?;
        period.write_query(&mut url, cursor);
        let page: statement::Page = self.call(self.client.get(url), Idempotency::Safe).await?;
        page.read().ok_or(TApiError::Unreadable { status: 200, idempotency: Idempotency::Safe })
    }

    /// Fetches the document of an invoice, without the token: the link works without credentials. Links that do not lead to the
    /// bank's own host are refused. Safe to repeat.
    pub async fn fetch_document(&self, link: &SecretString) -> Result<Bytes, TApiError> {
        let link: Url = link.expose_secret().parse().map_err(|_| TApiError::Unwritable)?;
        if link.origin() != self.base_url.origin() {
            return Err(TApiError::Unwritable);
        }
        error::read_document(self.client.get(link)).await
    }

    fn url(&self, path: &str) -> Result<Url, TApiError> {
        self.base_url.join(path).map_err(|_| TApiError::Unwritable)
    }
}
