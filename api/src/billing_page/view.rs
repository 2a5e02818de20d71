//! Typed contexts of the page templates, and the content security policy.

use std::sync::LazyLock;

use askama::Template;
use flysk_domain::TextEnum as _;
use flysk_domain::money::{Kopecks, MicroCoins};
use flysk_domain::platform::purchases::{COIN_PRICE, MAX_SUM, MIN_SUM, PurchaseState, failure_ru, label_ru};
use flysk_domain::platform::tbank::PaymentStatus;
use flysk_domain::russian::{coins, days_word, roubles};
use flysk_store::platform::purchases::{Package, Purchase};
use poem::http::StatusCode;

use super::parties::Parties;
use super::transfer_rows::{BalanceRow, TransferRow};
use crate::html_page;

/// Style of all pages.
pub(super) const STYLE: &str = include_str!("../../templates/billing/style.css");
/// Script of pages that wait for a payment.
pub(super) const SCRIPT: &str = include_str!("../../templates/billing/wait.js");

/// Content security policy: only the inline script and style, forms and requests only to this server, no framing.
pub(super) fn content_security_policy() -> &'static str {
    static POLICY: LazyLock<String> =
        LazyLock::new(|| html_page::content_security_policy(&[SCRIPT], &[STYLE], &["connect-src 'self'"]));
    &POLICY
}

/// Context of the page of packages.
#[derive(Template)]
#[template(path = "billing/shop.html")]
#[expect(clippy::struct_excessive_bools, reason = "each is asked by the template on its own")]
pub(super) struct Shop {
    /// Account, widget and seller.
    pub(super) frame: Parties,
    /// Install id, for URLs.
    pub(super) install: String,
    /// Available balance; `None` without a wallet.
    pub(super) balance: Option<String>,
    /// Held coins, if there are any.
    pub(super) held: Option<String>,
    pub(super) packages: Vec<Offer>,
    /// Whether a sum is chosen instead of a package.
    pub(super) is_sum: bool,
    /// The sum from the submitted form.
    pub(super) sum: String,
    /// Why purchases are not possible at present.
    pub(super) closed: Option<&'static str>,
    /// Latest purchases.
    pub(super) purchases: Vec<PurchaseRow>,
    /// Whether the bank's form can be opened.
    pub(super) by_card: bool,
    /// Whether the seller is paid by transfer.
    pub(super) takes_transfers: bool,
    /// Latest invoices for transfers.
    pub(super) transfers: Vec<TransferRow>,
    /// Money of firms that waits for their next invoices.
    pub(super) balances: Vec<BalanceRow>,
    /// CSRF token.
    pub(super) token: String,
    /// Idempotency key: a form that is submitted twice creates one purchase.
    pub(super) key: String,
    /// Email address from the submitted form.
    pub(super) email: String,
    /// Whether the submitted form allowed to save the card.
    pub(super) save_card: bool,
    /// Error message for the submitted form.
    pub(super) error: Option<&'static str>,
    /// The error concerns the email address.
    pub(super) error_is_email: bool,
}

#[expect(clippy::unused_self, reason = "the template calls methods of its context")]
impl Shop {
    fn coin_price(&self) -> String {
        roubles(COIN_PRICE)
    }

    /// Smallest sum.
    fn min_sum(&self) -> String {
        roubles(MIN_SUM)
    }

    /// Largest sum.
    fn max_sum(&self) -> String {
        roubles(MAX_SUM)
    }

    /// Smallest sum, in roubles.
    const fn min_roubles(&self) -> i64 {
        MIN_SUM.0 / Kopecks::PER_UNIT
    }

    /// Largest sum, in roubles.
    const fn max_roubles(&self) -> i64 {
        MAX_SUM.0 / Kopecks::PER_UNIT
    }
}

/// Value of the form's choice of any sum, instead of a package's id.
pub(super) const SUM_OFFER: &str = "sum";

/// A package on offer.
#[derive(Debug)]
pub(super) struct Offer {
    id: String,
    title: String,
    price: String,
    coins: String,
    bonus: Option<String>,
    pub(super) checked: bool,
}

impl Offer {
    /// Formats a package.
    pub(super) fn of(package: &Package, chosen: Option<&str>) -> Self {
        let terms = &package.terms;
        let id = package.id.to_string();
        let bonus = terms.bonus.is_positive().then(|| {
            let amount = coins(terms.bonus);
            match terms.bonus_days {
                Some(days) => format!("+ {amount} FC в подарок на {days} {}", days_word(days)),
                None => format!("+ {amount} FC в подарок"),
            }
        });
        Self {
            checked: chosen == Some(id.as_str()),
            id,
            title: terms.title.clone(),
            price: roubles(terms.price),
            coins: coins(terms.coins),
            bonus,
        }
    }
}

/// A purchase in the list.
#[derive(Debug)]
pub(super) struct PurchaseRow {
    id: String,
    when: String,
    title: String,
    price: String,
    label: &'static str,
    code: &'static str,
}

impl From<&Purchase> for PurchaseRow {
    fn from(purchase: &Purchase) -> Self {
        Self {
            id: purchase.id.to_string(),
            when: moscow(purchase),
            title: purchase.title.clone(),
            price: roubles(purchase.price),
            label: label_of(purchase),
            code: purchase.state.as_str(),
        }
    }
}

fn label_of(purchase: &Purchase) -> &'static str {
    label_ru(purchase.state, purchase.status.as_ref(), purchase.price, purchase.refunded)
}

/// Date and time of a purchase in Moscow, which has no daylight saving time.
fn moscow(purchase: &Purchase) -> String {
    (purchase.created_at + chrono::TimeDelta::hours(3)).format("%d.%m.%Y, %H:%M").to_string()
}

/// Context of the page of a purchase.
#[derive(Debug, Template)]
#[template(path = "billing/purchase.html")]
pub(super) struct OnePurchase {
    install: String,
    id: String,
    title: String,
    price: String,
    coins: String,
    bonus: Option<String>,
    label: &'static str,
    code: &'static str,
    failure: &'static str,
    balance: String,
    form: Option<String>,
    /// Redirect to T-Bank's payment form as soon as its URL is known.
    follow: bool,
    /// The buyer has returned from T-Bank.
    from_bank: bool,
    /// The script polls until this value changes.
    progress: String,
    waits: bool,
}

impl OnePurchase {
    /// Formats a purchase. `form` is the URL of T-Bank's payment form if the buyer may be redirected there.
    pub(super) fn of(
        purchase: &Purchase,
        form: Option<String>,
        balance: MicroCoins,
        from_bank: bool,
    ) -> Self {
        // The buyer has already submitted the payment form and must not open it again.
        let in_the_banks_hands = matches!(
            purchase.status,
            Some(PaymentStatus::Authorized | PaymentStatus::Confirming | PaymentStatus::PayChecking)
        );
        Self {
            install: purchase.install_id.to_string(),
            id: purchase.id.to_string(),
            title: purchase.title.clone(),
            price: roubles(purchase.price),
            coins: coins(purchase.coins),
            bonus: purchase.bonus.is_positive().then(|| coins(purchase.bonus)),
            label: label_of(purchase),
            code: purchase.state.as_str(),
            failure: failure_ru(purchase.error_code.as_deref()),
            balance: coins(balance),
            form: form.filter(|_| purchase.state == PurchaseState::Awaiting && !in_the_banks_hands),
            follow: !from_bank,
            from_bank,
            progress: progress_of(purchase),
            waits: !purchase.state.is_processed(),
        }
    }
}

/// A value that changes whenever the content of the page changes.
pub(super) fn progress_of(purchase: &Purchase) -> String {
    let form = if purchase.payment_url.is_some() { "form" } else { "none" };
    format!("{}/{form}/{}", purchase.state.as_str(), label_of(purchase).chars().count())
}

/// Context of a page with a message.
#[derive(Debug, Template)]
#[template(path = "billing/message.html")]
pub(super) struct Message {
    pub(super) title: &'static str,
    pub(super) text: &'static str,
}

impl Message {
    /// The message for an HTTP status.
    pub(super) fn of(status: StatusCode) -> Self {
        let (title, text) = match status {
            StatusCode::UNAUTHORIZED => (
                "Откройте страницу из виджета",
                "Ссылка действует недолго, и её время вышло. Вернитесь в amoCRM и нажмите «Пополнить» ещё раз. \
                 Если вы уже оплатили, ничего делать не нужно: Flycoins поступят сами.",
            ),
            StatusCode::FORBIDDEN => (
                "Виджет сейчас выключен",
                "Пополнить баланс можно, когда виджет подключён и активен в вашем аккаунте amoCRM.",
            ),
            StatusCode::NOT_FOUND => ("Такой покупки нет", "Вернитесь к пакетам и начните заново."),
            StatusCode::BAD_REQUEST => {
                ("Форма устарела", "Откройте страницу ещё раз и повторите. Ничего не списано.")
            }
            _ => (
                "Что-то пошло не так",
                "Мы уже знаем об этом. Попробуйте через несколько минут. Если вы уже оплатили, Flycoins \
                 поступят сами.",
            ),
        };
        Self { title, text }
    }
}
