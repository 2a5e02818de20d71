//! What the pages show: a typed context per template, and the policy that lets nothing else run.

use std::sync::LazyLock;

use askama::Template;
use base64::Engine as _;
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::purchases::{PurchaseState, failure_ru, label_ru};
use flysk_domain::platform::tbank::PaymentStatus;
use flysk_store::purchases::{Package, Purchase};
use poem::http::StatusCode;
use sha2::Digest as _;

use super::money::{coins, days_word, roubles};

const STYLE: &str = include_str!("../../templates/billing/style.css");
const SCRIPT: &str = include_str!("../../templates/billing/wait.js");

/// Only what is on the page may run or be seen; forms and questions go to us; nobody may frame it.
pub(super) fn content_security_policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let hash = |text: &str| {
            base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(text.as_bytes()))
        };
        format!(
            "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; \
             form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
            hash(SCRIPT),
            hash(STYLE)
        )
    });
    &POLICY
}

/// The page of packages.
#[derive(Template)]
#[template(path = "billing/shop.html")]
pub(super) struct Shop {
    /// The install, in addresses.
    pub(super) install: String,
    /// What can be spent; none: there is no wallet yet.
    pub(super) balance: Option<String>,
    /// What is set aside.
    pub(super) held: Option<String>,
    /// What is on offer.
    pub(super) packages: Vec<Offer>,
    /// Why nothing can be bought, if so.
    pub(super) closed: Option<&'static str>,
    /// Latest purchases.
    pub(super) purchases: Vec<Bought>,
    /// Proves that a form is ours.
    pub(super) token: String,
    /// Two presses of one button are one purchase.
    pub(super) key: String,
    /// What was typed.
    pub(super) email: String,
    /// What was chosen.
    pub(super) save_card: bool,
    /// What is wrong with what was sent.
    pub(super) error: Option<&'static str>,
    /// It is about the address.
    pub(super) error_is_email: bool,
}

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
    /// As it is shown.
    pub(super) fn of(package: &Package, chosen: Option<&str>) -> Self {
        let terms = &package.terms;
        let id = package.id.to_string();
        let bonus = terms.bonus.is_positive().then(|| {
            let amount = coins(terms.bonus);
            match terms.bonus_days {
                Some(days) => format!("+ {amount} в подарок на {days} {}", days_word(days)),
                None => format!("+ {amount} в подарок"),
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
pub(super) struct Bought {
    id: String,
    when: String,
    title: String,
    price: String,
    label: &'static str,
    code: &'static str,
}

impl From<&Purchase> for Bought {
    fn from(purchase: &Purchase) -> Self {
        Self {
            id: purchase.id.to_string(),
            when: moscow(purchase),
            title: purchase.title.clone(),
            price: roubles(purchase.price),
            label: label_of(purchase),
            code: purchase.state.code(),
        }
    }
}

fn label_of(purchase: &Purchase) -> &'static str {
    label_ru(purchase.state, purchase.status.as_ref(), purchase.price, purchase.refunded)
}

/// Day and time in Moscow, which has no summer time.
fn moscow(purchase: &Purchase) -> String {
    (purchase.created_at + chrono::TimeDelta::hours(3)).format("%d.%m.%Y, %H:%M").to_string()
}

/// The page of one purchase.
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
    /// Lead on to the bank's form as soon as it is there.
    follow: bool,
    /// The bank led the buyer back.
    from_bank: bool,
    /// The script looks until this changes.
    progress: String,
    waits: bool,
}

impl OnePurchase {
    /// As it is shown; `form` is the bank's if the buyer may be led there.
    pub(super) fn of(
        purchase: &Purchase,
        form: Option<String>,
        balance: MicroCoins,
        from_bank: bool,
    ) -> Self {
        // Whoever sees the form already does not need another one beside it.
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
            code: purchase.state.code(),
            failure: failure_ru(purchase.error_code.as_deref()),
            balance: coins(balance),
            form: form.filter(|_| purchase.state == PurchaseState::Awaiting && !in_the_banks_hands),
            follow: !from_bank,
            from_bank,
            progress: progress_of(purchase),
            waits: !purchase.state.is_settled(),
        }
    }
}

/// Changes whenever the page would look otherwise.
pub(super) fn progress_of(purchase: &Purchase) -> String {
    let form = if purchase.payment_url.is_some() { "form" } else { "none" };
    format!("{}/{form}/{}", purchase.state.code(), label_of(purchase).chars().count())
}

/// A page that only says something.
#[derive(Debug, Template)]
#[template(path = "billing/message.html")]
pub(super) struct Message {
    title: &'static str,
    text: &'static str,
}

impl Message {
    /// What a status means to people.
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

/// The page's text.
#[expect(clippy::needless_pass_by_value, reason = "made for this one call")]
pub(super) fn message(message: Message) -> Result<String, askama::Error> {
    message.render()
}
