//! T-Bank as its handlers see it: the client, and what every request of ours says.

use anyhow::Context as _;
use flysk_clients::http::HttpOptions;
use flysk_clients::tbank::{
    self, CancelRequest, FfdVersion, InitRequest, InitiatorType, Language, NoticeVerifier, PaymentMethod,
    PaymentObject, Receipt, ReceiptItem, TBank, Taxation, Terminal, Vat,
};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::purchases::{Email, LINK_LIVES, Share};
use flysk_runtime::config;
use flysk_store::purchases::{Purchase, Refund};
use url::Url;

/// The bank's client for our terminal, and how receipts are written.
#[derive(Debug)]
pub struct Acquiring {
    /// The client.
    pub bank: TBank,
    /// Reads notices.
    pub notices: NoticeVerifier,
    /// What was configured.
    pub config: config::TBank,
    public_url: Url,
    receipts: ReceiptRules,
}

#[derive(Debug)]
struct ReceiptRules {
    ffd_version: FfdVersion,
    taxation: Taxation,
    vat: Vat,
    payment_method: PaymentMethod,
}

impl Acquiring {
    /// Builds the client; nothing is sent. Reads the file of extra root certificates.
    pub fn new(config: &config::TBank, public_url: &Url) -> anyhow::Result<Self> {
        let extra_roots = config
            .extra_roots
            .as_ref()
            .map(|path| std::fs::read_to_string(path).with_context(|| path.display().to_string()))
            .transpose()
            .context("FLYSK_TBANK_EXTRA_ROOTS")?;
        let bank = TBank::new(tbank::Config {
            base_url: config.url.clone(),
            terminal: Terminal { key: config.terminal_key.clone(), password: config.password.clone() },
            http: HttpOptions {
                extra_roots: extra_roots.into_iter().collect(),
                ..HttpOptions::with_timeout(config.timeout)
            },
        })
        .context("T-Bank's client")?;
        Ok(Self {
            notices: bank.notices(),
            bank,
            receipts: ReceiptRules::of(config)?,
            config: config.clone(),
            public_url: public_url.clone(),
        })
    }

    /// Opens the form for a purchase.
    pub fn init(&self, purchase: &Purchase, contact: &Email) -> anyhow::Result<InitRequest> {
        let page = format!("billing/flycoins/{}/purchases/{}", purchase.install_id, purchase.id);
        let back = |how: &str| -> anyhow::Result<Url> {
            let mut url = self.public_url.join(&page)?;
            url.set_query(Some(how));
            Ok(url)
        };
        let initiator =
            if purchase.save_card { InitiatorType::CustomerSavesCard } else { InitiatorType::Customer };
        Ok(InitRequest {
            description: Some(title_of(purchase)),
            customer_key: purchase.save_card.then(|| purchase.wallet_id.to_string()),
            save_card: purchase.save_card,
            language: Some(Language::Ru),
            notification_url: Some(self.public_url.join("hooks/tbank")?),
            success_url: Some(back("from=bank")?),
            fail_url: Some(back("from=bank&paid=no")?),
            due: Some(purchase.created_at + LINK_LIVES),
            initiator: Some(initiator),
            receipt: Some(self.receipts.receipt(purchase, purchase.price, contact)),
            ..InitRequest::new(purchase.order_id.clone(), purchase.price)
        })
    }

    /// Gives money back. Of a whole purchase no lines are told, of a part they are.
    pub fn refund(
        &self,
        purchase: &Purchase,
        payment_id: &str,
        refund: &Refund,
        contact: &Email,
    ) -> CancelRequest {
        let Share { kopecks, is_whole, .. } = refund.share;
        CancelRequest {
            payment_id: payment_id.to_owned(),
            amount: kopecks,
            external_request_id: Some(refund.id.clone()),
            receipt: (!is_whole).then(|| self.receipts.receipt(purchase, kopecks, contact)),
        }
    }
}

impl ReceiptRules {
    fn of(config: &config::TBank) -> anyhow::Result<Self> {
        let payment_method = match config.payment_method.as_str() {
            "full_prepayment" => PaymentMethod::FullPrepayment,
            "advance" => PaymentMethod::Advance,
            _ => PaymentMethod::FullPayment,
        };
        Ok(Self {
            ffd_version: if config.ffd_version == "1.2" { FfdVersion::V1_2 } else { FfdVersion::V1_05 },
            taxation: Taxation::from_name(&config.taxation).context("FLYSK_TBANK_TAXATION")?,
            vat: Vat::from_name(&config.vat).context("FLYSK_TBANK_VAT")?,
            payment_method,
        })
    }

    /// One line of `amount`: what was bought, or the part of it that goes back.
    fn receipt(&self, purchase: &Purchase, amount: Kopecks, contact: &Email) -> Receipt {
        let item = ReceiptItem {
            name: title_of(purchase).chars().take(128).collect(),
            price: amount,
            quantity: 1,
            amount,
            tax: self.vat,
            payment_method: self.payment_method,
            // An advance is paid for nothing in particular yet.
            payment_object: match self.payment_method {
                PaymentMethod::Advance => PaymentObject::Payment,
                PaymentMethod::FullPrepayment | PaymentMethod::FullPayment => PaymentObject::Service,
            },
            measurement_unit: (self.ffd_version == FfdVersion::V1_2).then(|| "шт".to_owned()),
        };
        Receipt {
            ffd_version: self.ffd_version,
            taxation: self.taxation,
            email: Some(contact.as_str().to_owned()),
            phone: None,
            items: vec![item],
        }
    }
}

/// On the form and on the receipt; at most 140 characters.
fn title_of(purchase: &Purchase) -> String {
    format!("Пополнение Flycoins: пакет «{}»", purchase.title)
}
