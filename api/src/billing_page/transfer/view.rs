//! Context of the page of an issued invoice.

use askama::Template;
use flysk_domain::TextEnum as _;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::transfers::{TransferInvoiceState, label_ru};
use flysk_domain::russian::{day, roubles};
use flysk_services::pdf::find_issued_act;
use flysk_store::platform::transfers::{BalanceOwner, TransferInvoice, find_access, read_balance};

use super::super::view::STYLE;
use crate::billing_links::{DocumentKind, document_url};
use crate::deps::Deps;
use crate::problem::Problem;

/// Context of the page.
#[derive(Template)]
#[template(path = "billing/transfer.html")]
pub(in crate::billing_page) struct TransferPage {
    path: String,
    back: String,
    number: String,
    on: String,
    code: &'static str,
    label: &'static str,
    text: String,
    title: String,
    payer: String,
    purpose: String,
    /// The seller's account.
    account: Option<String>,
    total: String,
    from_balance: Option<String>,
    amount: String,
    /// Arrived sum and missing sum, while the invoice is partly paid.
    parts: Option<(String, String)>,
    /// The firm's balance, if it covers all that the invoice lacks.
    covered_by: Option<String>,
    due: String,
    pdf: Option<String>,
    act: Option<String>,
    is_open: bool,
    /// CSRF token.
    token: String,
}

impl TransferPage {
    /// Reads what the page shows. `path` is the page's own, `back` that of where it belongs.
    pub(in crate::billing_page) async fn load(
        deps: &Deps,
        invoice: &TransferInvoice,
        (path, back): (String, String),
        token: String,
    ) -> Result<Self, Problem> {
        let mut conn = deps.conn().await?;
        let act = find_issued_act(&mut conn, invoice.id).await?;
        let access = find_access(&mut conn, invoice.vendor_id).await?;
        let is_open = invoice.state.is_open();
        let owner =
            BalanceOwner { vendor: invoice.vendor_id, install: invoice.install_id, inn: invoice.payer.inn };
        let balance = if is_open { read_balance(&mut conn, owner).await? } else { Kopecks::ZERO };
        let covers = balance.is_positive() && balance >= invoice.missing();
        let is_part = is_open && invoice.paid.is_positive();
        let payer = &invoice.payer;
        let kpp = payer.kpp.as_ref().map(|kpp| format!(", КПП {kpp}")).unwrap_or_default();
        Ok(Self {
            path,
            back,
            number: invoice.number.to_string(),
            on: day(invoice.issued_on),
            code: invoice.state.as_str(),
            label: label_ru(invoice.state, invoice.paid),
            text: text_of(invoice, act.is_some()),
            title: invoice.title.clone(),
            payer: format!("{}, ИНН {}{kpp}", payer.name, payer.inn),
            purpose: invoice.purpose.clone(),
            account: access.filter(|_| is_open).map(|access| access.account),
            total: roubles(invoice.total),
            from_balance: invoice.from_balance.is_positive().then(|| roubles(invoice.from_balance)),
            amount: roubles(invoice.amount),
            parts: is_part.then(|| (roubles(invoice.paid), roubles(invoice.missing()))),
            covered_by: covers.then(|| roubles(balance)),
            due: day(invoice.due_on),
            pdf: document_url(deps, invoice.id, DocumentKind::Invoice),
            act: act.and_then(|_| document_url(deps, invoice.id, DocumentKind::Act)),
            is_open,
            token,
        })
    }
}

/// Text about the next step, in Russian.
fn text_of(invoice: &TransferInvoice, has_act: bool) -> String {
    let text = match invoice.state {
        TransferInvoiceState::Sending | TransferInvoiceState::Issued if invoice.paid.is_positive() => {
            "Пришла часть суммы. Когда поступит остаток, всё откроется само."
        }
        TransferInvoiceState::Sending => {
            "Банк готовит письмо со счётом. Скачать и оплатить счёт можно уже сейчас."
        }
        TransferInvoiceState::Issued => {
            "Счёт отправлен на почту. Деньги обычно поступают за один рабочий день, и всё откроется само."
        }
        TransferInvoiceState::Paid if has_act => "Деньги поступили. Акт можно скачать ниже.",
        TransferInvoiceState::Paid => {
            "Деньги поступили. Акт появится на этой странице, когда услуга будет оказана."
        }
        TransferInvoiceState::Expired => {
            "Срок счёта прошёл. Что успело поступить, лежит на балансе организации и пойдёт в следующий счёт."
        }
        TransferInvoiceState::Void => {
            "Счёт больше не действует. Если деньги уже отправлены, они поступят на баланс организации и пойдут в следующий счёт."
        }
    };
    text.to_owned()
}
