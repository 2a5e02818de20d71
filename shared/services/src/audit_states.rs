//! What the audit log keeps of things that operators and commands change: the state before, and the state after.

use std::collections::BTreeMap;

use flysk_domain::TextEnum as _;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::transfers::DueTerms;
use flysk_store::platform::purchases::Package;
use flysk_store::platform::subscriptions::{Plan, SubscriptionRow};
use flysk_store::platform::vendors::{Vendor, VendorTaxes};
use serde_json::{Value, json};

/// A version of a plan. Prices are in kopecks a seat, by the months of a period.
pub fn plan_state(plan: &Plan) -> Value {
    let terms = &plan.terms;
    let prices: BTreeMap<String, Kopecks> =
        terms.prices.iter().map(|(length, price)| (length.to_string(), *price)).collect();
    json!({
        "code": plan.code.as_str(),
        "version": plan.version,
        "title": terms.title,
        "prices_kopecks": prices,
        "min_seats": terms.min_seats,
        "max_seats": terms.max_seats,
        "features": terms.features,
    })
}

/// A version of a package of Flycoins. The price is in kopecks, coins and bonus in micro-Flycoins.
pub fn package_state(package: &Package) -> Value {
    let terms = &package.terms;
    json!({
        "code": package.code.as_str(),
        "version": package.version,
        "title": terms.title,
        "price_kopecks": terms.price,
        "coins_micro": terms.coins,
        "bonus_micro": terms.bonus,
        "bonus_days": terms.bonus_days,
    })
}

/// State of a subscription, end of its period (exclusive), and whether it ends then.
pub fn subscription_state(row: &SubscriptionRow) -> Value {
    let subscription = &row.subscription;
    json!({
        "state": subscription.state.as_str(),
        "until": subscription.period.map(|period| period.until),
        "cancels": subscription.cancels,
    })
}

/// A vendor's data without the password of the terminal.
pub fn vendor_state(vendor: &Vendor) -> Value {
    json!({
        "code": vendor.code,
        "legal_name": vendor.legal_name,
        "inn": vendor.inn,
        "email": vendor.email,
        "phone": vendor.phone,
        "charge_initiator": vendor.charge_initiator,
        "prepayment_receipts": vendor.receipts.prepayment,
        "closing_receipts": vendor.receipts.closing,
    })
}

/// A vendor's taxation and VAT from a day on.
pub fn taxes_state(taxes: &VendorTaxes) -> Value {
    json!({ "from": taxes.valid_from, "taxation": taxes.taxation, "vat": taxes.vat.as_str() })
}

/// Days in which a vendor's transfer invoices can be paid.
pub fn due_terms_state(terms: DueTerms) -> Value {
    json!({ "days": terms.days(), "banking_days": terms.counts_banking_days() })
}
