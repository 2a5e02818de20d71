//! The search box: it knows the form of what is typed and opens the page; otherwise it offers lists.

use flysk_domain::platform::crm::Crm;
use flysk_store::Conn;
use flysk_store::admin::lists::accounts::{self, AccountFilter};
use flysk_store::admin::lists::calls::{self, CallFilter};
use flysk_store::admin::lists::jobs::{self, JobFilter};
use flysk_store::admin::lists::payments::{self, PaymentFilter};
use flysk_store::admin::lists::purchases::{self, PurchaseFilter};
use poem::Response;

use super::accounts::Accounts;
use super::calls::Calls;
use super::jobs::Jobs;
use super::payments::Payments;
use super::purchases::Purchases;
use crate::http::respond::redirect;
use crate::http::{Fault, Support, Visit};
use crate::lists::{Keyset, List as _};
use crate::view::{DetailPage, Section, Table};

/// Rows of each table of results.
const ROWS_SHOWN: u32 = 20;
/// Length of an id without its prefix.
const ULID_LEN: usize = 26;

/// Prefixes of ids and the sections of their pages.
const PAGES: [(&str, &str); 13] = [
    ("vnd_", "vendors"),
    ("pln_", "plans"),
    ("ipm_", "payments"),
    ("sub_", "subscriptions"),
    ("inv_", "invoices"),
    ("ins_", "installs"),
    ("job_", "jobs"),
    ("evt_", "events"),
    ("wal_", "wallets"),
    ("pur_", "purchases"),
    ("tr_", "calls"),
    ("wgt_", "widgets"),
    ("aud_", "audit"),
];

/// The page that a text names by its form.
fn page_of(text: &str) -> Option<String> {
    let (_, section) = PAGES.into_iter().find(|(prefix, _)| {
        text.strip_prefix(prefix)
            .is_some_and(|ulid| ulid.len() == ULID_LEN && ulid.bytes().all(|b| b.is_ascii_alphanumeric()))
    })?;
    Some(format!("/{section}/{text}"))
}

/// `GET /search?q=…`.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let Some(text) = visit.request.query.ascii("q") else { return Ok(redirect("/")) };
    if let Some(page) = page_of(&text) {
        return Ok(redirect(&page));
    }
    let mut conn = visit.deps.read().await?;
    let mut sections = Vec::new();
    if text.bytes().all(|b| b.is_ascii_digit()) {
        sections.extend(by_number(&mut conn, &text).await?);
    } else {
        sections.extend(by_text(&mut conn, &text).await?);
    }
    // A single result is what was looked for.
    if let [section] = sections.as_slice()
        && let [row] = section.table.rows.as_slice()
        && let Some(href) = &row.href
    {
        return Ok(redirect(href));
    }
    let mut page = DetailPage::new(visit.layout("Поиск"));
    if sections.is_empty() {
        sections.push(Section::new(
            "Ничего не найдено",
            Table::default(),
            "Поиск понимает номер аккаунта, домен или его начало, номер заметки, номер платежа, id записей (ins_…, job_…, \
             pur_…, tr_…, evt_…, wal_…) и номер запроса.",
        ));
    }
    page.sections = sections;
    visit.page(&page)
}

/// A number may be an account, a call note or a payment at the bank.
async fn by_number(conn: &mut Conn, text: &str) -> Result<Vec<Section>, Fault> {
    let mut sections = Vec::new();
    let found = accounts::rows(conn, &[text.to_owned()]).await?;
    push(&mut sections, "Аккаунты", Accounts::HEAD, found.iter().map(Accounts::row).collect());
    if let Ok(note) = text.parse() {
        let filter = CallFilter { note_id: Some(note), ..CallFilter::default() };
        let ids = calls::ids(conn, &filter, &Keyset::newest(ROWS_SHOWN)).await?;
        let found = calls::rows(conn, &ids).await?;
        push(&mut sections, "Звонки", Calls::HEAD, found.iter().map(Calls::row).collect());
    }
    let found = purchases_of_payment(conn, text).await?;
    sections.extend(found);
    let filter = PaymentFilter { payment_id: Some(text.to_owned()), ..PaymentFilter::default() };
    let ids = payments::ids(conn, &filter, &Keyset::newest(ROWS_SHOWN)).await?;
    let found = payments::rows(conn, &ids).await?;
    push(&mut sections, "Платежи по счетам", Payments::HEAD, found.iter().map(Payments::row).collect());
    Ok(sections)
}

async fn purchases_of_payment(conn: &mut Conn, text: &str) -> Result<Vec<Section>, Fault> {
    let filter = PurchaseFilter { payment_id: Some(text.to_owned()), ..PurchaseFilter::default() };
    let ids = purchases::ids(conn, &filter, &Keyset::newest(ROWS_SHOWN)).await?;
    let found = purchases::rows(conn, &ids).await?;
    let mut sections = Vec::new();
    push(&mut sections, "Покупки", Purchases::HEAD, found.iter().map(Purchases::row).collect());
    Ok(sections)
}

/// Other text may be a request's number or the beginning of a domain.
async fn by_text(conn: &mut Conn, text: &str) -> Result<Vec<Section>, Fault> {
    let mut sections = Vec::new();
    let filter = JobFilter { correlation: Some(text.to_owned()), ..JobFilter::default() };
    let ids = jobs::ids(conn, &filter, &Keyset::newest(ROWS_SHOWN)).await?;
    let found = jobs::rows(conn, &ids).await?;
    push(&mut sections, "Задания запроса", Jobs::HEAD, found.iter().map(Jobs::row).collect());
    for crm in [Crm::Amocrm, Crm::Kommo] {
        let host = text.trim_start_matches("https://").trim_end_matches('/').to_lowercase();
        let filter = AccountFilter { crm, host: Some(host) };
        let ids = accounts::ids(conn, &filter, &Keyset::newest(ROWS_SHOWN)).await?;
        let found = accounts::rows(conn, &ids).await?;
        push(&mut sections, "Аккаунты", Accounts::HEAD, found.iter().map(Accounts::row).collect());
    }
    Ok(sections)
}

fn push(sections: &mut Vec<Section>, title: &str, head: &[&'static str], rows: Vec<crate::view::Row>) {
    if !rows.is_empty() {
        sections.push(Section::new(title, Table::new(head, rows), ""));
    }
}

#[cfg(test)]
mod tests {
    use super::page_of;

    #[test]
    fn an_id_opens_its_page() {
        let ulid = "01KC0000000000000000000000";
        assert_eq!(page_of(&format!("job_{ulid}")), Some(format!("/jobs/job_{ulid}")));
        assert_eq!(page_of(&format!("tr_{ulid}")), Some(format!("/calls/tr_{ulid}")));
        for other in ["job_1", "31234567", "demo.amocrm.ru", "job_../../../../../../../../../x"] {
            assert_eq!(page_of(other), None, "{other}");
        }
    }
}
