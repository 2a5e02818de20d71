//! The search box: it knows the form of what is typed and opens the page; otherwise it offers lists.

use flysk_domain::ContactTerm;
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::transfers::InvoiceNumber;
use flysk_store::Conn;
use flysk_store::admin::lists::accounts::{self, AccountFilter};
use flysk_store::admin::lists::calls::{self, CallFilter};
use flysk_store::admin::lists::jobs::{self, JobFilter};
use flysk_store::admin::lists::payments::{self, PaymentFilter};
use flysk_store::admin::lists::purchases::{self, PurchaseFilter};
use flysk_store::admin::lists::transfer_invoices::{self, TransferInvoiceFilter};
use flysk_store::admin::sorting::ids_of;
use flysk_store::platform::{account_renames, vendors, widgets};
use poem::Response;

use super::accounts::Accounts;
use super::api_errors::{ApiErrors, errors_of_request, found_row};
use super::audit::{AuditLog, acts_of_request};
use super::calls::Calls;
use super::jobs::Jobs;
use super::object_pages::page_of;
use super::payments::Payments;
use super::purchases::Purchases;
use super::search_contacts::{by_contact, is_contact_of};
use super::search_tables::{ROWS_SHOWN, push};
use super::transfer_invoices::TransferInvoices;
use super::{vendors as vendors_screen, widgets as widgets_screen};
use crate::http::respond::redirect;
use crate::http::{Fault, Support, Visit};
use crate::lists::{Keyset, List as _};
use crate::view::{DetailPage, Section, Table};

/// The same for tables that are read whole: vendors and widgets, of which there are few.
const SELLERS_SHOWN: usize = 20;

/// `GET /search?q=…`.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let Some(text) = visit.request.query.get("q") else { return Ok(redirect("/")) };
    if let Some(page) = page_of(text) {
        return Ok(redirect(&page));
    }
    let mut conn = visit.deps.read().await?;
    let mut sections = Vec::new();
    let contacts = ContactTerm::typed(text);
    if !contacts.is_empty() {
        sections.extend(by_contact(&mut conn, &visit.deps.keyring, &contacts).await?);
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        sections.extend(by_number(&mut conn, text).await?);
    } else {
        sections.extend(by_text(&mut conn, text).await?);
    }
    sections.extend(sellers(&mut conn, text, &contacts).await?);
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
            "Поиск понимает номер аккаунта, начало домена или названия, номер заметки, номер платежа, номер счёта для перевода, \
             ИНН фирмы или продавца, e-mail, телефон, id записей (ins_…, job_…, pur_…, tr_…, evt_…, wal_…, tin_…, bop_…) и номер \
             запроса.",
        ));
    }
    page.sections = sections;
    visit.page(&page)
}

/// A number may be an account, a call note, a payment at the bank, the number of a transfer invoice, or the INN of a firm.
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
    sections.extend(transfer_invoices_of(conn, text).await?);
    Ok(sections)
}

/// Transfer invoices with this number, and those to the firm with this INN.
async fn transfer_invoices_of(conn: &mut Conn, text: &str) -> Result<Vec<Section>, Fault> {
    let mut filters = Vec::new();
    if let Some(number) = text.parse().ok().and_then(InvoiceNumber::written) {
        filters.push(TransferInvoiceFilter { number: Some(number), ..TransferInvoiceFilter::default() });
    }
    if let Ok(inn) = text.parse() {
        filters.push(TransferInvoiceFilter { payer_inn: Some(inn), ..TransferInvoiceFilter::default() });
    }
    let mut rows = Vec::new();
    for filter in filters {
        let ids = transfer_invoices::ids(conn, &filter, &Keyset::newest(ROWS_SHOWN)).await?;
        let found = transfer_invoices::rows(conn, &ids).await?;
        rows.extend(found.iter().map(TransferInvoices::row));
    }
    let mut sections = Vec::new();
    push(&mut sections, TransferInvoices::TITLE, TransferInvoices::HEAD, rows);
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

/// Other text may be a request's number, a former domain, the beginning of a domain, or that of an account's name.
async fn by_text(conn: &mut Conn, text: &str) -> Result<Vec<Section>, Fault> {
    let mut sections = Vec::new();
    // Columns of requests and domains are ASCII: the database refuses to compare them with other texts.
    if text.is_ascii() {
        let filter = JobFilter { correlation: Some(text.to_owned()), ..JobFilter::default() };
        let ids = jobs::ids(conn, &filter, &Keyset::newest(ROWS_SHOWN)).await?;
        let found = jobs::rows(conn, &ids).await?;
        push(&mut sections, "Задания запроса", Jobs::HEAD, found.iter().map(Jobs::row).collect());
        let found = acts_of_request(conn, text, ROWS_SHOWN).await?;
        push(&mut sections, "Действия запроса", AuditLog::HEAD, found.iter().map(AuditLog::row).collect());
        // An answer with an error names its request, and often nothing else is left of it.
        let found = errors_of_request(conn, text, ROWS_SHOWN).await?;
        push(&mut sections, "Ошибки запроса", ApiErrors::HEAD, found.iter().map(found_row).collect());
    }
    let host = text.trim_start_matches("https://").trim_end_matches('/').to_lowercase();
    let former = account_renames::find_by_former_host(conn, &host, ROWS_SHOWN).await?;
    let former: Vec<String> = former.iter().map(ToString::to_string).collect();
    let found = accounts::rows(conn, &former).await?;
    push(
        &mut sections,
        "Аккаунты, у которых был этот домен",
        Accounts::HEAD,
        found.iter().map(Accounts::row).collect(),
    );
    let host = Some(host).filter(|host| host.is_ascii());
    for crm in [Crm::Amocrm, Crm::Kommo] {
        let mut ids = Vec::new();
        if host.is_some() {
            let filter = AccountFilter { host: host.clone(), ..AccountFilter::all(crm) };
            ids.extend(ids_of(&accounts::ids(conn, &filter, &Keyset::newest(ROWS_SHOWN)).await?));
        }
        let filter = AccountFilter { name: Some(text.to_owned()), ..AccountFilter::all(crm) };
        let named = ids_of(&accounts::ids(conn, &filter, &Keyset::newest(ROWS_SHOWN)).await?);
        ids.extend(named.into_iter().filter(|id| !ids.contains(id)).collect::<Vec<_>>());
        let found = accounts::rows(conn, &ids).await?;
        push(&mut sections, "Аккаунты", Accounts::HEAD, found.iter().map(Accounts::row).collect());
    }
    Ok(sections)
}

/// Vendors with this INN or one of these contacts, and vendors and widgets whose code or name begins with the text.
async fn sellers(conn: &mut Conn, text: &str, contacts: &[ContactTerm]) -> Result<Vec<Section>, Fault> {
    let wanted = text.to_lowercase();
    let begins = |known: &str| known.to_lowercase().starts_with(&wanted);
    let mut sections = Vec::new();
    let found = vendors::list_vendors(conn).await?.into_iter().filter(|vendor| {
        vendor.inn.as_deref() == Some(text)
            || begins(&vendor.code)
            || begins(&vendor.legal_name)
            || is_contact_of(vendor, contacts)
    });
    let rows = found.take(SELLERS_SHOWN).map(|vendor| vendors_screen::row(&vendor)).collect();
    push(&mut sections, "Продавцы", &vendors_screen::HEAD, rows);
    let found = widgets::list(conn).await?.into_iter();
    let found = found.filter(|widget| begins(&widget.code) || begins(&widget.name));
    let rows = found.take(SELLERS_SHOWN).map(|widget| widgets_screen::row(&widget)).collect();
    push(&mut sections, "Виджеты", &widgets_screen::HEAD, rows);
    Ok(sections)
}
