//! Vendors: creation, data, taxes by date, widgets, and a terminal whose password is never shown.

use flysk_crypto::aad;
use flysk_domain::platform::subscriptions::VatRate;
use flysk_store::platform::vendors::{self, Vendor};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use sqlx::MySqlPool;

use super::harness::{Panel, Signed, value_of};

/// The form of a vendor.
const ROMASHKA: [(&str, &str); 9] = [
    ("code", "romashka"),
    ("legal_name", "ООО «Ромашка»"),
    ("inn", "7707083893"),
    ("email", "help@romashka.example"),
    ("phone", "+74951234567"),
    ("charge_initiator", "R"),
    ("prepayment_receipts", "yes"),
    ("closing_receipts", "yes"),
    ("reason", "Новый партнёр"),
];

async fn vendor(panel: &Panel, code: &str) -> Vendor {
    vendors::find_vendor_by_code(&mut *panel.app.conn().await, code).await.unwrap().expect("the vendor")
}

/// The form with another value of a field and the time of the last change.
fn changed<'a>(field: &str, value: &'a str, seen: &'a str) -> Vec<(&'a str, &'a str)> {
    let fields = ROMASHKA.into_iter().map(|(name, kept)| (name, if name == field { value } else { kept }));
    fields.chain([("seen", seen)]).collect()
}

fn terminal_form<'a>(key: &'a str, password: &'a str, seen: &'a str) -> [(&'static str, &'a str); 4] {
    [("terminal_key", key), ("terminal_password", password), ("seen", seen), ("reason", "Договор с банком")]
}

async fn created(signed: &Signed<'_>) -> String {
    signed.act("/vendors/create", &ROMASHKA).await
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_vendor_is_created_shown_and_changed(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "operator").await;
    panel.sign_in("boris", "billing").await.refused("/vendors/create", &ROMASHKA, 403).await;
    let path = created(&signed).await;
    let stored = vendor(&panel, "romashka").await;
    assert_eq!(path, format!("/vendors/{}", stored.id));
    assert_eq!((stored.inn.as_deref(), stored.receipts.closing), (Some("7707083893"), true));
    assert!(signed.page("/vendors").await.contains(&path));
    let page = signed.page(&path).await;
    for part in ["ООО «Ромашка»", "+74951234567", "из настроек Flysk"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(signed.refused("/vendors/create", &ROMASHKA, 422).await.contains("уже есть"));
    let seen = value_of(&page, "seen");
    let update = format!("{path}/update");
    for (field, value, told) in [
        ("inn", "7707083894", "контрольные цифры"),
        ("phone", "84951234567", "+74951234567"),
        ("email", "nobody", "E-mail"),
        ("legal_name", "", "Название в чеках"),
        ("charge_initiator", "X", "R или I"),
    ] {
        let page = signed.refused(&update, &changed(field, value, &seen), 422).await;
        assert!(page.contains(told) && page.contains("Новый партнёр"), "{field}: {page}");
    }
    signed.act(&update, &changed("legal_name", "ООО «Ромашка-2»", &seen)).await;
    assert_eq!(vendor(&panel, "romashka").await.legal_name, "ООО «Ромашка-2»");
    signed.refused(&update, &changed("legal_name", "Поздно", &seen), 409).await;
    let row = panel.record_of("vendor.update").await;
    let told: Value = serde_json::from_str(row.state_before.as_deref().unwrap()).unwrap();
    assert_eq!(told["legal_name"], "ООО «Ромашка»");
    panel.record_of("vendor.create").await;
    assert!(signed.page("/audit").await.contains("добавление продавца"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn taxes_begin_on_a_day_and_widgets_move(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "operator").await;
    let path = created(&signed).await;
    let taxes = |from: &'static str, taxation: &'static str, vat: &'static str| {
        [("from", from), ("taxation", taxation), ("vat", vat), ("reason", "С нового года")]
    };
    for (from, taxation, vat) in [
        ("", "osn", "vat22"),
        ("скоро", "osn", "vat22"),
        ("2027-01-01", "usn", "none"),
        ("2027-01-01", "osn", "vat99"),
    ] {
        signed.refused(&format!("{path}/taxes"), &taxes(from, taxation, vat), 422).await;
    }
    signed.act(&format!("{path}/taxes"), &taxes("2026-01-01", "usn_income", "none")).await;
    signed.act(&format!("{path}/taxes"), &taxes("2027-01-01", "osn", "vat22")).await;
    let id = vendor(&panel, "romashka").await.id;
    let listed = vendors::list_taxes(&mut *panel.app.conn().await, id).await.unwrap();
    assert_eq!((listed.len(), listed[0].vat, listed[1].vat), (2, VatRate::Vat22, VatRate::None));
    let records = panel.audit().await.into_iter().filter(|row| row.action == "vendor.put_taxes");
    let subjects: Vec<String> = records.map(|row| row.subject_id).collect();
    assert_eq!(subjects, [id.to_string(), id.to_string()]);
    let page = signed.page(&path).await;
    assert!(
        page.contains("общая (ОСН)") && page.contains("01.01.2027") && page.contains("без НДС"),
        "{page}"
    );
    let widget = panel.app.widget().await.id.to_string();
    let assign = [("widget", widget.as_str()), ("reason", "Продали")];
    signed.act(&format!("{path}/assign"), &assign).await;
    let owner = vendors::find_vendor_of_widget(&mut *panel.app.conn().await, widget.parse().unwrap()).await;
    assert_eq!(owner.unwrap().map(|owner| owner.id), Some(id));
    signed.refused(&format!("{path}/assign"), &assign, 409).await;
    assert!(signed.page(&format!("/widgets/{widget}")).await.contains(&path));
    let row = panel.record_of("vendor.assign_widget").await;
    assert!(row.state_before.unwrap().contains("default"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_password_of_a_terminal_is_sealed_and_rotated_without_being_shown(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let operator = panel.sign_in("anna", "operator").await;
    let path = created(&operator).await;
    let owner = panel.sign_in("olga", "owner").await;
    let terminal = format!("{path}/terminal");
    let seen = value_of(&operator.page(&path).await, "seen");
    let first = terminal_form("1234567890ROMASHKA", "first-password", &seen);
    operator.refused(&terminal, &first, 403).await;
    for (key, password) in [("with space", "x"), ("1234567890ROMASHKA", "")] {
        let page = owner.refused(&terminal, &terminal_form(key, password, &seen), 422).await;
        assert!(!page.contains("terminal_password"), "a password is not kept: {page}");
    }
    owner.act(&terminal, &first).await;
    let keyring = &panel.app.executor.app().keyring;
    let open = |vendor: &Vendor| {
        let sealed = vendor.terminal_password_sealed.as_deref().unwrap();
        keyring.open(sealed, &aad::terminal_password(vendor.id)).unwrap().expose_secret().to_owned()
    };
    let stored = vendor(&panel, "romashka").await;
    assert_eq!(
        (stored.terminal_key.as_deref(), open(&stored)),
        (Some("1234567890ROMASHKA"), "first-password".to_owned())
    );
    let page = owner.page(&path).await;
    assert!(page.contains("1234567890ROMASHKA") && !page.contains("first-password"), "{page}");
    let seen = value_of(&page, "seen");
    let second = terminal_form("1234567890ROMASHKA", "second-password", &seen);
    owner.act(&terminal, &second).await;
    owner.refused(&terminal, &second, 409).await;
    let rotated = vendor(&panel, "romashka").await;
    assert_eq!(open(&rotated), "second-password");
    let rows = panel.audit().await;
    assert_eq!(rows.iter().filter(|row| row.action == "vendor.set_terminal").count(), 2);
    let told = format!("{rows:?}");
    assert!(!told.contains("first-password") && !told.contains("second-password"));
    assert!(!told.contains(rotated.terminal_password_sealed.as_deref().unwrap()));
    let seen = value_of(&owner.page(&path).await, "seen");
    owner.act(&format!("{path}/remove-terminal"), &[("seen", &seen), ("reason", "Закрыт")]).await;
    let removed = vendor(&panel, "romashka").await;
    assert!(removed.terminal_key.is_none() && removed.terminal_password_sealed.is_none());
    panel.record_of("vendor.remove_terminal").await;
}
