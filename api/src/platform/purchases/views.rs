//! What widgets are told.

use chrono::{DateTime, Utc};
use flysk_domain::platform::purchases::{PurchaseState, failure_ru, label_ru};
use flysk_store::purchases::{Package, Purchase};
use poem_openapi::Object;

/// A package on offer.
#[derive(Debug, Object)]
pub(crate) struct PackageView {
    /// This version of it: what a purchase names.
    id: String,
    /// The package through all its versions.
    code: String,
    /// Counts versions.
    version: u32,
    /// For people, in Russian.
    title: String,
    /// What it costs, kopecks.
    price_kopecks: i64,
    /// What is bought, millionths of a Flycoin.
    coins_micro: i64,
    /// What is given on top, millionths of a Flycoin.
    bonus_micro: i64,
    /// How many days the bonus can be spent; null: without end.
    bonus_days: Option<u32>,
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

/// A purchase that was begun. Nothing in it changes, so that a repeated request gets the same answer.
#[derive(Debug, Object)]
pub(crate) struct BegunView {
    /// `pur_…`: ask for it until it has a `payment_url`.
    id: String,
    /// The version of the package.
    package_id: String,
    /// What is to be paid, kopecks.
    price_kopecks: i64,
    /// What is bought, millionths of a Flycoin.
    coins_micro: i64,
    /// What is given on top, millionths of a Flycoin.
    bonus_micro: i64,
    /// When.
    created_at: DateTime<Utc>,
}

impl From<&Purchase> for BegunView {
    fn from(purchase: &Purchase) -> Self {
        Self {
            id: purchase.id.to_string(),
            package_id: purchase.package_id.to_string(),
            price_kopecks: purchase.price.0,
            coins_micro: purchase.coins.0,
            bonus_micro: purchase.bonus.0,
            created_at: purchase.created_at,
        }
    }
}

/// A purchase.
#[derive(Debug, Object)]
pub(crate) struct PurchaseView {
    /// `pur_…`.
    id: String,
    /// `created`, `opening`, `awaiting`, `paid`, `failed` or `review`.
    state: String,
    /// The same for people, in Russian.
    label: String,
    /// Whether anything is still waited for.
    settled: bool,
    /// The version of the package.
    package_id: String,
    /// Its title.
    title: String,
    /// What is to be paid, kopecks.
    price_kopecks: i64,
    /// What is bought, millionths of a Flycoin.
    coins_micro: i64,
    /// What is given on top, millionths of a Flycoin.
    bonus_micro: i64,
    /// The bank's form, while it waits for its payer.
    payment_url: Option<String>,
    /// Why it was not paid, for people, in Russian.
    failure: Option<String>,
    /// What was given back or is on its way, kopecks.
    refunded_kopecks: i64,
    /// The card it was paid with, masked.
    card: Option<String>,
    /// When it was begun.
    created_at: DateTime<Utc>,
    /// When the coins came.
    credited_at: Option<DateTime<Utc>>,
}

impl From<Purchase> for PurchaseView {
    fn from(purchase: Purchase) -> Self {
        let label = label_ru(purchase.state, purchase.status.as_ref(), purchase.price, purchase.refunded);
        let failed = purchase.state == PurchaseState::Failed;
        let awaits = purchase.state == PurchaseState::Awaiting;
        Self {
            id: purchase.id.to_string(),
            state: purchase.state.code().to_owned(),
            label: label.to_owned(),
            settled: purchase.state.is_settled(),
            package_id: purchase.package_id.to_string(),
            title: purchase.title,
            price_kopecks: purchase.price.0,
            coins_micro: purchase.coins.0,
            bonus_micro: purchase.bonus.0,
            payment_url: purchase.payment_url.filter(|_| awaits),
            failure: failed.then(|| failure_ru(purchase.error_code.as_deref()).to_owned()),
            refunded_kopecks: purchase.refunded.0,
            card: purchase.card_pan,
            created_at: purchase.created_at,
            credited_at: purchase.credited_at,
        }
    }
}

/// A page of purchases, the youngest first.
#[derive(Debug, Object)]
pub(crate) struct PurchasePage {
    /// The purchases.
    pub(super) items: Vec<PurchaseView>,
    /// Give it as `before` for the next page; null on the last.
    pub(super) next: Option<String>,
}
