//! A page for people: accounts, calls, payments, losses, time, and what happened, live.
//!
//! It consists of plain forms. The script only brings what happens onto the page without a reload.

mod acts;
mod entries;
mod words;

use std::sync::PoisonError;

use askama::Template;
use chrono::{DateTime, FixedOffset, Utc};
use flysk_domain::money::Kopecks;
use poem::handler;
use poem::http::header;
use poem::web::{Data, Json, Query};
use poem::{IntoResponse as _, Response};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

pub(super) use self::acts::act;
use self::entries::{Shown, shown};
use super::announcement::{AccountState, UserState, accounts_of};
use super::bank_words::CardOutcome;
use super::cards::{CardState, cards_of};
use super::control::ControlData;
use super::journal::Filter;
use super::note::Note;
use super::payments::{PaymentState, payments_of};
use super::problem::Problem;
use super::scene::{ClockMode, Scene};

const STYLE: &str = include_str!("console.css");
const SCRIPT: &str = include_str!("console.js");
/// Only what this server serves, forms only to it, no framing.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Entries and payments on the page.
const MAX_ENTRIES: usize = 100;
const MAX_PAYMENTS: usize = 20;
/// Offset of Moscow's time, seconds.
const MOSCOW_OFFSET_S: i32 = 3 * 3_600;

/// An account on the page.
#[derive(Debug)]
struct AccountCard {
    id: u64,
    name: String,
    subdomain: String,
    base_domain: String,
    status: &'static str,
    class: &'static str,
    is_installed: bool,
    users: Vec<UserState>,
}

/// A payment on the page.
#[derive(Debug)]
struct PaymentCard {
    order_id: String,
    payment_id: String,
    description: String,
    amount: String,
    status: String,
    is_open: bool,
}

#[derive(Debug, Template)]
#[template(path = "console.html")]
struct Page {
    widget: String,
    url: String,
    project_token: String,
    event_secret: String,
    note: Option<Note>,
    now: String,
    is_running: bool,
    accounts: Vec<AccountCard>,
    payments: Vec<PaymentCard>,
    cards: Vec<CardState>,
    /// Outcomes on the bank's form.
    form_outcomes: Vec<CardOutcome>,
    /// Outcomes of charges of a saved card.
    charge_outcomes: Vec<CardOutcome>,
    event_url: String,
    entries: Vec<Shown>,
}

/// The newest entries alone.
#[derive(Debug, Template)]
#[template(path = "console_entries.html")]
struct Entries {
    entries: Vec<Shown>,
}

/// The page.
#[handler]
pub(super) async fn show(Data(control): ControlData<'_>) -> Result<Response, Problem> {
    let scene = control.scene()?;
    // What a backend has just asked for is on the page, too.
    scene.run_due().await?;
    let note = scene.console_note.lock().unwrap_or_else(PoisonError::into_inner).take();
    let widget = scene.widget()?;
    let page = Page {
        widget: scene.plan.widget.name.clone(),
        url: scene.plan.public_url.clone(),
        project_token: widget.project_token.expose_secret().to_owned(),
        event_secret: widget.event_secret.expose_secret().to_owned(),
        note,
        now: moscow_time(scene.sandbox.now()),
        is_running: scene.plan.clock == ClockMode::Running,
        accounts: accounts_of(&scene).await?.into_iter().map(account_card).collect(),
        payments: payments_of(&scene).into_iter().take(MAX_PAYMENTS).map(payment_card).collect(),
        cards: cards_of(&scene),
        form_outcomes: CardOutcome::ALL.to_vec(),
        charge_outcomes: charge_outcomes(),
        event_url: scene.outside.events.proxy.target().unwrap_or_default(),
        entries: newest(&scene, 0),
    };
    let html = page.render().map_err(anyhow::Error::from)?;
    Ok(Response::builder()
        .content_type("text/html; charset=utf-8")
        .header(header::CONTENT_SECURITY_POLICY, POLICY)
        .header(header::CACHE_CONTROL, "no-store")
        .header(header::REFERRER_POLICY, "same-origin")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .body(html))
}

#[derive(Debug, Deserialize)]
struct Newer {
    #[serde(default)]
    after: u64,
}

/// What the page's script asks for.
#[derive(Debug, Default, Serialize)]
struct News {
    now: String,
    html: String,
}

/// Entries that are newer than those on the page, as HTML, newest first.
#[handler]
pub(super) async fn deliveries(
    Data(control): ControlData<'_>,
    Query(newer): Query<Newer>,
) -> Result<Json<News>, Problem> {
    // Nothing while the sandbox is being reset.
    let Ok(scene) = control.scene() else { return Ok(Json(News::default())) };
    scene.look().await?;
    // After a reset the numbers begin again.
    let after = if newer.after > scene.journal.last() { 0 } else { newer.after };
    let entries = Entries { entries: newest(&scene, after) };
    let html = entries.render().map_err(anyhow::Error::from)?.trim().to_owned();
    Ok(Json(News { now: moscow_time(scene.sandbox.now()), html }))
}

#[handler]
pub(super) fn style() -> Response {
    STYLE.with_content_type("text/css; charset=utf-8").into_response()
}

#[handler]
pub(super) fn script() -> Response {
    SCRIPT.with_content_type("text/javascript; charset=utf-8").into_response()
}

/// The last entries after a number, newest first.
fn newest(scene: &Scene, after: u64) -> Vec<Shown> {
    let last = scene.journal.last();
    let earliest = last.saturating_sub(u64::try_from(MAX_ENTRIES).unwrap_or(u64::MAX));
    let filter = Filter { after: after.max(earliest), ..Filter::default() };
    scene.journal.read(&filter, MAX_ENTRIES).items.iter().rev().map(shown).collect()
}

/// Outcomes of charges: nobody is asked for 3-D Secure then.
fn charge_outcomes() -> Vec<CardOutcome> {
    CardOutcome::ALL.into_iter().filter(|outcome| *outcome != CardOutcome::ThreeDSecure).collect()
}

fn account_card(account: AccountState) -> AccountCard {
    let (status, class, is_installed) = match account.status.as_deref() {
        None => ("не установлен", "busy", false),
        Some("uninstalled") => ("удалён", "busy", false),
        Some("active") => ("работает", "good", true),
        Some("inactive") => ("выключен", "busy", true),
        Some("installing") => ("устанавливается", "busy", true),
        Some(_) => ("нужно переподключить", "bad", true),
    };
    AccountCard {
        id: account.id,
        name: account.name,
        subdomain: account.subdomain,
        base_domain: account.base_domain,
        status,
        class,
        is_installed,
        users: account.users,
    }
}

fn payment_card(payment: PaymentState) -> PaymentCard {
    PaymentCard {
        status: entries::outcome_label(payment.outcome).to_owned(),
        amount: roubles(payment.amount_kopecks),
        order_id: payment.order_id,
        payment_id: payment.payment_id,
        description: payment.description,
        is_open: payment.is_open,
    }
}

fn roubles(kopecks: i64) -> String {
    Kopecks(kopecks).to_string().replace('.', ",")
}

fn moscow_time(at: DateTime<Utc>) -> String {
    match FixedOffset::east_opt(MOSCOW_OFFSET_S) {
        Some(moscow) => at.with_timezone(&moscow).format("%d.%m.%Y %H:%M:%S МСК").to_string(),
        None => at.format("%d.%m.%Y %H:%M:%S UTC").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_wrote_is_escaped() {
        let page = Page {
            widget: "<b>".to_owned(),
            url: "http://127.0.0.1:1".to_owned(),
            project_token: "fpt_1".to_owned(),
            event_secret: "whsec_1".to_owned(),
            note: Some(Note { text: "<i>".to_owned(), code: Some("a&b".to_owned()), is_bad: true }),
            now: moscow_time("2027-01-31T21:30:00Z".parse().unwrap()),
            is_running: false,
            accounts: Vec::new(),
            payments: Vec::new(),
            cards: Vec::new(),
            form_outcomes: Vec::new(),
            charge_outcomes: Vec::new(),
            event_url: "\"><script>".to_owned(),
            entries: Vec::new(),
        };
        let html = page.render().unwrap();
        assert!(html.contains("01.02.2027 00:30:00 МСК"), "{html}");
        assert!(!html.contains("<b>") && !html.contains("<i>") && !html.contains("\"><script>"), "{html}");
        assert_eq!(html.matches("<script").count(), 1, "the page's own");
    }

    #[test]
    fn the_page_has_no_inline_code_which_its_policy_forbids() {
        let page = include_str!("../../../templates/console.html");
        for forbidden in ["<style", " style=", " onclick=", " onsubmit=", "javascript:"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
    }
}
