//! What the administrator of an account does in a sandbox, over the product's API.

use anyhow::{Context as _, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::SandboxProcess;

/// Address of receipts.
const EMAIL: &str = "buh@example.test";
/// Seats of a subscription.
const SEATS: u32 = 3;

/// An administrator's page of the widget.
#[derive(Debug)]
struct Visit<'a> {
    sandbox: &'a SandboxProcess,
    /// `Authorization` of the session.
    authorization: String,
}

impl Visit<'_> {
    /// Sends a request that must succeed; returns its body.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let mut headers = vec![("Authorization", self.authorization.as_str())];
        headers.extend(key.map(|key| ("Idempotency-Key", key)));
        let (status, answer) = self.sandbox.api(method.clone(), path, &headers, body).await?;
        ensure!(status.is_success(), "{method} {path}: {status} {answer}");
        Ok(answer)
    }
}

impl SandboxProcess {
    /// Opens the widget's page as a user.
    async fn visit(&self, account: u64, user: u64) -> anyhow::Result<Visit<'_>> {
        let token = self.token(account, user).await?;
        let (status, shaken) =
            self.api(Method::POST, "/v1/handshake", &[("X-Auth-Token", &token)], None).await?;
        ensure!(status == StatusCode::OK, "{shaken}");
        let session = shaken["session"]["token"].as_str().context("a session")?;
        Ok(Visit { sandbox: self, authorization: format!("Bearer {session}") })
    }

    /// An administrator orders the first package of Flycoins; returns the id of the purchase.
    ///
    /// # Errors
    ///
    /// The order is refused.
    pub async fn order_coins(&self, account: u64, admin: u64, key: &str) -> anyhow::Result<String> {
        let visit = self.visit(account, admin).await?;
        let packages = visit.ask(Method::GET, "/v1/flycoins/packages", None, None).await?;
        let order = json!({ "package_id": packages["items"][0]["id"], "email": EMAIL });
        let path = "/v1/flycoins/purchases";
        let purchase = visit.ask(Method::POST, path, Some(key), Some(&order)).await?;
        Ok(purchase["id"].as_str().context("a purchase")?.to_owned())
    }

    /// An administrator buys a month of the first plan with this card, and agrees to renewals. Returns the answer to the
    /// payment.
    ///
    /// # Errors
    ///
    /// A step is refused.
    pub async fn subscribe(&self, account: u64, admin: u64, card: &str) -> anyhow::Result<Value> {
        let visit = self.visit(account, admin).await?;
        let plans = visit.ask(Method::GET, "/v1/subscription/plans", None, None).await?;
        let change = json!({
            "change": "start", "plan_id": plans["items"][0]["id"], "seats": SEATS, "months": 1,
        });
        let quote = visit.ask(Method::POST, "/v1/subscription/quotes", None, Some(&change)).await?;
        let path = format!("/v1/subscription/quotes/{}/apply", quote["id"].as_str().context("a quote")?);
        let key = format!("order-{account}");
        let applied = visit.ask(Method::POST, &path, Some(&key), None).await?;
        let invoice = applied["invoice"]["id"].as_str().context("an invoice")?;
        let path = format!("/v1/subscription/invoices/{invoice}");
        let offer = visit.ask(Method::GET, &format!("{path}/renewal_offer"), None, None).await?;
        let payer = json!({ "email": EMAIL, "consent_version": offer["version"] });
        visit.ask(Method::POST, &format!("{path}/payments"), None, Some(&payer)).await?;
        let pay = json!({ "card": card });
        self.control(Method::POST, &format!("/payments/{invoice}/pay"), Some(&pay)).await
    }
}
