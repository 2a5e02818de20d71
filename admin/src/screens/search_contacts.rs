//! Results of the search box for an e-mail address or a phone number. Encrypted ones are found by their hashes; none is decrypted.

use flysk_crypto::Keyring;
use flysk_domain::ContactTerm;
use flysk_store::admin::lists::{invoices, purchases, transfer_invoices};
use flysk_store::contact_hashes::{self, ContactColumn};
use flysk_store::flysense::activation::bindings::{self, BindingRow};
use flysk_store::platform::vendors::Vendor;
use flysk_store::portal::users::{self, VendorUser};
use flysk_store::{Conn, StoreResult};

use super::invoices::Invoices;
use super::purchases::Purchases;
use super::search_tables::{ROWS_SHOWN, push};
use super::transfer_invoices::TransferInvoices;
use crate::lists::List as _;
use crate::view::{Cell, Row, Section};

/// Columns of people who activated FlySense.
const PEOPLE_HEAD: [&str; 5] = ["Установка", "Аккаунт", "Имя в мессенджере", "Телефон", "Мессенджер"];
/// Columns of users of the portal.
const USERS_HEAD: [&str; 3] = ["Продавец", "Имя", "E-mail"];

/// Everything with one of these contacts.
pub(super) async fn by_contact(
    conn: &mut Conn,
    keyring: &Keyring,
    terms: &[ContactTerm],
) -> StoreResult<Vec<Section>> {
    let mut sections = Vec::new();
    let hashes = hashes_of(keyring, terms);
    let people = people(conn, &hashes).await?;
    push(&mut sections, "Люди, включившие FlySense", &PEOPLE_HEAD, people.iter().map(person_row).collect());
    let ids = contact_hashes::find_ids(conn, ContactColumn::PurchaseEmail, &hashes, ROWS_SHOWN).await?;
    let found = purchases::rows(conn, &ids).await?;
    push(&mut sections, Purchases::TITLE, Purchases::HEAD, found.iter().map(Purchases::row).collect());
    let ids = contact_hashes::find_ids(conn, ContactColumn::InvoiceEmail, &hashes, ROWS_SHOWN).await?;
    let found = invoices::rows(conn, &ids).await?;
    push(&mut sections, Invoices::TITLE, Invoices::HEAD, found.iter().map(Invoices::row).collect());
    let ids = contact_hashes::find_ids(conn, ContactColumn::TransferEmail, &hashes, ROWS_SHOWN).await?;
    let found = transfer_invoices::rows(conn, &ids).await?;
    let rows = found.iter().map(TransferInvoices::row).collect();
    push(&mut sections, TransferInvoices::TITLE, TransferInvoices::HEAD, rows);
    let users = portal_users(conn, terms).await?;
    push(&mut sections, "Пользователи портала", &USERS_HEAD, users.iter().map(user_row).collect());
    Ok(sections)
}

/// Whether a vendor has one of these contacts, which are not encrypted.
pub(super) fn is_contact_of(vendor: &Vendor, terms: &[ContactTerm]) -> bool {
    let email = vendor.email.as_deref().map(ContactTerm::of_email);
    let phone = vendor.phone.as_deref().map(ContactTerm::of_phone);
    email.into_iter().chain(phone).any(|known| terms.contains(&known))
}

fn hashes_of(keyring: &Keyring, terms: &[ContactTerm]) -> Vec<Vec<u8>> {
    let indexes = terms.iter().flat_map(|term| keyring.contact_indexes(term));
    indexes.map(|index| index.as_bytes().to_vec()).collect()
}

async fn people(conn: &mut Conn, hashes: &[Vec<u8>]) -> StoreResult<Vec<BindingRow>> {
    let mut ids = contact_hashes::find_ids(conn, ContactColumn::BindingPhone, hashes, ROWS_SHOWN).await?;
    ids.extend(contact_hashes::find_ids(conn, ContactColumn::BindingEmail, hashes, ROWS_SHOWN).await?);
    bindings::list_by_ids(conn, &ids).await
}

async fn portal_users(conn: &mut Conn, terms: &[ContactTerm]) -> StoreResult<Vec<VendorUser>> {
    let mut found = Vec::new();
    for email in terms.iter().filter_map(ContactTerm::email) {
        found.extend(users::find_by_email(conn, email).await?);
    }
    Ok(found)
}

fn person_row(person: &BindingRow) -> Row {
    let href = format!("/installs/{}", person.install_id);
    Row::linked(
        href.clone(),
        vec![
            Cell::link(href, person.install_id),
            Cell::link(format!("/accounts/{}", person.account_id), person.account_id),
            Cell::text(&person.person),
            Cell::text(&person.phone_masked),
            Cell::text(person.messenger.label()),
        ],
    )
}

fn user_row(user: &VendorUser) -> Row {
    let href = format!("/vendors/{}", user.vendor_id);
    let vendor = if user.vendor_name.is_empty() { &user.vendor_code } else { &user.vendor_name };
    Row::linked(href.clone(), vec![Cell::link(href, vendor), Cell::text(&user.name), Cell::text(&user.email)])
}
