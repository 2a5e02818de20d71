//! T-Bank for job handlers: the client, and the requests that handlers send.

use anyhow::Context as _;
use flysk_clients::http::HttpOptions;
use flysk_clients::tbank::{
    self, CancelRequest, FfdVersion, InitRequest, InitiatorType, Language, NotificationVerifier,
    PaymentMethod, PaymentObject, Receipt, ReceiptItem, TBank, Taxation, Terminal, Vat,
};
use flysk_config as config;
use flysk_domain::id::{InstallId, InvoicePaymentId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::purchases::{Email, PAYMENT_LINK_TTL, RefundAllocation};
use flysk_store::platform::purchases::{Purchase, Refund};
use url::Url;

/// The client of the configured terminal, and the rules for receipts.
#[derive(Debug)]
pub struct Acquiring {
    /// The client.
    pub bank: TBank,
    /// Verifies and parses notifications.
    pub notifications: NotificationVerifier,
    /// The configuration.
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
    /// Builds the client. Sends nothing. Reads the file of extra root certificates.
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
            notifications: bank.notifications(),
            bank,
            receipts: ReceiptRules::from_config(config)?,
            config: config.clone(),
            public_url: public_url.clone(),
        })
    }

    /// Address of notifications about payments.
    pub fn notification_url(&self) -> anyhow::Result<Url> {
        Ok(self.public_url.join("hooks/tbank")?)
    }

    /// Address of a payment on the subscription page of its install, to which the payer returns.
    pub fn payment_page(
        &self,
        install: InstallId,
        payment: InvoicePaymentId,
        how: &str,
    ) -> anyhow::Result<Url> {
        let mut url = self.public_url.join(&format!("billing/subscription/{install}/payments/{payment}"))?;
        url.set_query(Some(how));
        Ok(url)
    }

    /// VAT rate of the environment.
    pub const fn default_vat(&self) -> Vat {
        self.receipts.vat
    }

    /// Taxation system of the environment.
    pub const fn default_taxation(&self) -> Taxation {
        self.receipts.taxation
    }

    /// Fiscal data format of the cash register.
    pub const fn ffd_version(&self) -> FfdVersion {
        self.receipts.ffd_version
    }

    /// Unit of measure of a receipt's line, if the format requires one.
    pub fn measurement_unit(&self) -> Option<String> {
        (self.receipts.ffd_version == FfdVersion::V1_2).then(|| "шт".to_owned())
    }

    /// Builds the request that creates a payment with a form.
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
            description: Some(receipt_title(purchase)),
            customer_key: purchase.save_card.then(|| purchase.wallet_id.to_string()),
            save_card: purchase.save_card,
            language: Some(Language::Ru),
            notification_url: Some(self.public_url.join("hooks/tbank")?),
            success_url: Some(back("from=bank")?),
            fail_url: Some(back("from=bank&paid=no")?),
            due: Some(purchase.created_at + PAYMENT_LINK_TTL),
            initiator: Some(initiator),
            receipt: Some(self.receipts.receipt(purchase, purchase.price, contact)),
            ..InitRequest::new(purchase.order_id.clone(), purchase.price)
        })
    }

    /// Builds a refund. A full refund has no receipt lines, a partial one has.
    pub fn refund(
        &self,
        purchase: &Purchase,
        payment_id: &str,
        refund: &Refund,
        contact: &Email,
    ) -> CancelRequest {
        let RefundAllocation { kopecks, is_whole, .. } = refund.allocation;
        CancelRequest {
            payment_id: payment_id.to_owned(),
            amount: kopecks,
            external_request_id: Some(refund.id.clone()),
            receipt: (!is_whole).then(|| self.receipts.receipt(purchase, kopecks, contact)),
        }
    }
}

impl ReceiptRules {
    fn from_config(config: &config::TBank) -> anyhow::Result<Self> {
        let payment_method = match config.payment_method.as_str() {
            "full_prepayment" => PaymentMethod::FullPrepayment,
            "advance" => PaymentMethod::Advance,
            _ => PaymentMethod::FullPayment,
        };
        Ok(Self {
            ffd_version: if config.ffd_version == "1.2" { FfdVersion::V1_2 } else { FfdVersion::V1_05 },
            taxation: config.taxation.parse().context("FLYSK_TBANK_TAXATION")?,
            vat: config.vat.parse().context("FLYSK_TBANK_VAT")?,
            payment_method,
        })
    }

    /// A receipt with one line of `amount`: the package, or the part of it that is refunded.
    fn receipt(&self, purchase: &Purchase, amount: Kopecks, contact: &Email) -> Receipt {
        let item = ReceiptItem {
            name: receipt_title(purchase).chars().take(128).collect(),
            price: amount,
            quantity: 1,
            amount,
            tax: self.vat,
            payment_method: self.payment_method,
            // An advance is not paid for a particular service yet.
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

/// Title on the form and on the receipt; at most 140 characters.
fn receipt_title(purchase: &Purchase) -> String {
    format!("Пополнение Flycoins: пакет «{}»", purchase.title)
}
