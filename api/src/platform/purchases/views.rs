//! Packages and purchases in responses.

use chrono::{DateTime, Utc};
use flysk_domain::platform::purchases::{PurchaseState, failure_ru, is_final, label_ru};
use flysk_store::platform::purchases::{Package, Purchase};
use poem_openapi::Object;
use poem_openapi::types::Example;

use crate::choice::Choice;
use crate::time::Time;

/// A package on offer.
#[derive(Debug, Object)]
#[oai(rename = "FlycoinPackage", example)]
pub(crate) struct PackageView {
    /// Id of this version of the package, to buy it.
    id: String,
    /// Code of the package, the same in all versions.
    code: String,
    /// Version of the package.
    version: u32,
    /// Title in Russian.
    title: String,
    /// Price, in kopecks.
    price_kopecks: i64,
    /// Bought coins, in micro-Flycoins.
    coins_micro: i64,
    /// Bonus coins, in micro-Flycoins.
    bonus_micro: i64,
    /// Days until the bonus expires; null if it does not expire.
    bonus_days: Option<u32>,
}

impl Example for PackageView {
    fn example() -> Self {
        Self {
            id: "pkg_01KCQJ3F8A1C5E7G9J2M4P6R8T".to_owned(),
            code: "start".to_owned(),
            version: 1,
            title: "1 000 Flycoins".to_owned(),
            price_kopecks: 100_000,
            coins_micro: 1_000_000_000,
            bonus_micro: 50_000_000,
            bonus_days: Some(90),
        }
    }
}

/// All packages on offer, cheapest first.
#[derive(Debug, Object)]
#[oai(rename = "FlycoinPackagePage")]
pub(crate) struct PackagePage {
    /// The packages.
    pub(super) items: Vec<PackageView>,
    /// Always null: the list has one page.
    pub(super) next: Option<String>,
}

impl From<Package> for PackageView {
    fn from(package: Package) -> Self {
        Self {
            id: package.id.to_string(),
            code: package.code.to_string(),
            version: package.version,
            title: package.terms.title,
            price_kopecks: package.terms.price.0,
            coins_micro: package.terms.coins.0,
            bonus_micro: package.terms.bonus.0,
            bonus_days: package.terms.bonus_days,
        }
    }
}

/// A new purchase. These fields never change, so a repeated request returns the same response.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct CreatedPurchase {
    /// Purchase id, `pur_…`. Poll the purchase until it has a `payment_url`.
    id: String,
    /// Id of the package's version.
    package_id: String,
    /// Price, in kopecks.
    price_kopecks: i64,
    /// Bought coins, in micro-Flycoins.
    coins_micro: i64,
    /// Bonus coins, in micro-Flycoins.
    bonus_micro: i64,
    /// Time of the purchase.
    created_at: Time,
}

impl Example for CreatedPurchase {
    fn example() -> Self {
        Self {
            id: "pur_01KCQJ7B2N4Q6S8V0X2Z4B6D8F".to_owned(),
            package_id: "pkg_01KCQJ3F8A1C5E7G9J2M4P6R8T".to_owned(),
            price_kopecks: 100_000,
            coins_micro: 1_000_000_000,
            bonus_micro: 50_000_000,
            created_at: Time::example(),
        }
    }
}

impl From<&Purchase> for CreatedPurchase {
    fn from(purchase: &Purchase) -> Self {
        Self {
            id: purchase.id.to_string(),
            package_id: purchase.package_id.to_string(),
            price_kopecks: purchase.price.0,
            coins_micro: purchase.coins.0,
            bonus_micro: purchase.bonus.0,
            created_at: purchase.created_at.into(),
        }
    }
}

/// A purchase.
#[derive(Debug, Object)]
#[oai(rename = "Purchase", example)]
pub(crate) struct PurchaseView {
    /// Purchase id, `pur_…`.
    id: String,
    /// State.
    state: Choice<PurchaseState>,
    /// Name of the state in Russian.
    label: String,
    /// Whether the purchase has reached its end: it is paid, or it failed and its payment form has closed. `false` after a
    /// decline, while the buyer can still pay with another card on the same form.
    settled: bool,
    /// Id of the package's version.
    package_id: String,
    /// Title of the package.
    title: String,
    /// Price, in kopecks.
    price_kopecks: i64,
    /// Bought coins, in micro-Flycoins.
    coins_micro: i64,
    /// Bonus coins, in micro-Flycoins.
    bonus_micro: i64,
    /// URL of T-Bank's payment form; null unless the state is `awaiting`.
    payment_url: Option<String>,
    /// Why the purchase was not paid, in Russian; null unless the state is `failed`.
    failure: Option<String>,
    /// Refunded amount, including refunds in progress, in kopecks.
    refunded_kopecks: i64,
    /// Masked number of the card.
    card: Option<String>,
    /// Time of the purchase.
    created_at: Time,
    /// Time when the coins were credited.
    credited_at: Option<Time>,
}

impl Example for PurchaseView {
    fn example() -> Self {
        Self {
            id: "pur_01KCQJ7B2N4Q6S8V0X2Z4B6D8F".to_owned(),
            state: PurchaseState::Paid.into(),
            label: "Оплачено".to_owned(),
            settled: true,
            package_id: "pkg_01KCQJ3F8A1C5E7G9J2M4P6R8T".to_owned(),
            title: "1 000 Flycoins".to_owned(),
            price_kopecks: 100_000,
            coins_micro: 1_000_000_000,
            bonus_micro: 50_000_000,
            payment_url: None,
            failure: None,
            refunded_kopecks: 0,
            card: Some("430000******0777".to_owned()),
            created_at: Time::example(),
            credited_at: Some(Time::example()),
        }
    }
}

impl PurchaseView {
    /// The purchase as it is `now`.
    pub(super) fn new(purchase: Purchase, now: DateTime<Utc>) -> Self {
        let label = label_ru(purchase.state, purchase.status.as_ref(), purchase.price, purchase.refunded);
        let failed = purchase.state == PurchaseState::Failed;
        let awaits = purchase.state == PurchaseState::Awaiting;
        Self {
            id: purchase.id.to_string(),
            state: purchase.state.into(),
            label: label.to_owned(),
            settled: is_final(purchase.state, purchase.status.as_ref(), now - purchase.created_at),
            package_id: purchase.package_id.to_string(),
            title: purchase.title,
            price_kopecks: purchase.price.0,
            coins_micro: purchase.coins.0,
            bonus_micro: purchase.bonus.0,
            payment_url: purchase.payment_url.filter(|_| awaits),
            failure: failed.then(|| failure_ru(purchase.error_code.as_deref()).to_owned()),
            refunded_kopecks: purchase.refunded.0,
            card: purchase.card_pan,
            created_at: purchase.created_at.into(),
            credited_at: purchase.credited_at.map(Time),
        }
    }
}

/// A page of purchases, newest first.
#[derive(Debug, Object)]
pub(crate) struct PurchasePage {
    /// The purchases.
    pub(super) items: Vec<PurchaseView>,
    /// Value of `cursor` for the next page; null on the last page.
    pub(super) next: Option<String>,
}
