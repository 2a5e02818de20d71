//! `flysk-worker vendor:*`: sellers of widgets.

use std::io::{Read as _, Write as _};

use anyhow::{Context as _, bail, ensure};
use chrono::NaiveDate;
use clap::Args;
use flysk_config::Env;
use flysk_domain::TextEnum as _;
use flysk_domain::id::VendorId;
use flysk_domain::platform::purchases::Email;
use flysk_domain::platform::subscriptions::{ReceiptMode, VatRate, check_terminal_key};
use flysk_services::audit_states::{taxes_state, vendor_state};
use flysk_services::vendors::{self as services, VendorData};
use flysk_store::Conn;
use flysk_store::platform::transfers;
use flysk_store::platform::vendors::{self, Vendor, VendorTaxes};
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::by::OptionalBy;
use super::record::{Act, record};
use super::trace::trace;
use super::transaction::transact;
use super::widget::find as find_widget;

/// Lists vendors.
#[derive(Debug, Args)]
pub(super) struct List {}

/// Shows one vendor.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The vendor's code.
    code: String,
}

/// Data of a vendor. Without an option a value stays as it is.
#[derive(Debug, Args)]
pub(super) struct Set {
    /// Code of the vendor: a-z, 0-9, `-`.
    code: String,
    /// Legal name, the seller on receipts and invoices; required for a new vendor.
    #[arg(long)]
    legal_name: Option<String>,
    /// Taxpayer number, 10 or 12 digits.
    #[arg(long)]
    inn: Option<String>,
    /// E-mail address for customers.
    #[arg(long)]
    email: Option<Email>,
    /// Telephone number for customers, such as +74951234567.
    #[arg(long)]
    phone: Option<String>,
    /// Initiator of recurring charges, as T-Bank's `OperationInitiatorType`: R for an ECOM terminal, I for an AFT terminal.
    #[arg(long, value_parser = ["R", "I"])]
    charge_initiator: Option<String>,
    /// Whether the receipt at payment is a prepayment (54-FZ); otherwise it is a settlement.
    #[arg(long, value_name = "true|false")]
    prepayment_receipts: Option<bool>,
    /// Whether a closing receipt follows at the end of a period that was paid ahead.
    #[arg(long, value_name = "true|false")]
    closing_receipts: Option<bool>,
    #[command(flatten)]
    by: OptionalBy,
}

/// Taxation and VAT from a day on.
#[derive(Debug, Args)]
pub(super) struct Taxes {
    /// The vendor's code.
    code: String,
    /// First day, Moscow time, such as 2027-01-01.
    #[arg(long)]
    from: NaiveDate,
    /// Taxation as in T-Bank's receipts: osn, `usn_income`, `usn_income_outcome`, esn or patent.
    #[arg(long)]
    taxation: String,
    /// VAT rate: none, vat0, vat5, vat7, vat10, vat20 or vat22.
    #[arg(long)]
    vat: VatRate,
    #[command(flatten)]
    by: OptionalBy,
}

/// The vendor's own terminal at T-Bank.
#[derive(Debug, Args)]
pub(super) struct Terminal {
    /// The vendor's code.
    code: String,
    /// Key of the terminal; `none` for the terminal of the environment.
    #[arg(long)]
    key: String,
    /// Read the terminal's password from this environment variable.
    #[arg(long, value_name = "VARIABLE", conflicts_with = "password_stdin")]
    password_env: Option<String>,
    /// Read the terminal's password from standard input.
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    by: OptionalBy,
}

/// A widget that moves to a vendor.
#[derive(Debug, Args)]
pub(super) struct Assign {
    /// The vendor's code.
    code: String,
    /// Code of the widget.
    widget: String,
    #[command(flatten)]
    by: OptionalBy,
}

pub(super) async fn find(conn: &mut Conn, code: &str) -> anyhow::Result<Vendor> {
    vendors::find_vendor_by_code(conn, code)
        .await?
        .with_context(|| format!("no vendor has the code `{code}`"))
}

impl List {
    /// Prints one line per vendor.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let listed = vendors::list_vendors(&mut *outbox.pool().acquire().await?).await?;
        let mut out = std::io::stdout().lock();
        for vendor in listed {
            let inn = vendor.inn.as_deref().unwrap_or("–");
            let terminal = vendor.terminal_key.as_deref().unwrap_or("of the environment");
            writeln!(
                out,
                "{}  {:<20} INN {inn:<12} terminal {terminal}  {}",
                vendor.id, vendor.code, vendor.legal_name
            )?;
        }
        Ok(())
    }
}

impl Show {
    /// Prints everything but the password.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let mut conn = outbox.pool().acquire().await?;
        let vendor = find(&mut conn, &self.code).await?;
        let taxes = vendors::list_taxes(&mut conn, vendor.id).await?;
        let terms = transfers::find_due_terms(&mut conn, vendor.id).await?.unwrap_or_default();
        let which = if terms.counts_banking_days() { "banking days" } else { "days" };
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".to_owned());
        let mut out = std::io::stdout().lock();
        for (name, value) in [
            ("id", vendor.id.to_string()),
            ("code", vendor.code.clone()),
            ("legal name", vendor.legal_name.clone()),
            ("INN", text(&vendor.inn)),
            ("e-mail", text(&vendor.email)),
            ("telephone", text(&vendor.phone)),
            ("terminal", vendor.terminal_key.clone().unwrap_or_else(|| "of the environment".to_owned())),
            ("charge initiator", vendor.charge_initiator.clone()),
            ("prepayment receipts", vendor.receipts.prepayment.to_string()),
            ("closing receipts", vendor.receipts.closing.to_string()),
            ("transfers are due in", format!("{} {which}", terms.days())),
        ] {
            writeln!(out, "{name:<20} {value}")?;
        }
        for entry in taxes {
            writeln!(out, "taxes from {:<10} {} {}", entry.valid_from, entry.taxation, entry.vat.as_str())?;
        }
        Ok(())
    }
}

impl Set {
    /// Creates the vendor, or changes it.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let by = self.by.author()?;
        let outbox = open_outbox(config).await?;
        let clock = outbox.clock();
        let fresh = VendorId::generate(clock.as_ref());
        let set = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let now = clock.now();
            let existing = vendors::find_vendor_by_code(&mut unit, &self.code).await?;
            let data = self.data(existing.as_ref())?;
            let action = if existing.is_some() { "vendor.update" } else { "vendor.create" };
            let before = existing.as_ref().map_or(Value::Null, vendor_state);
            let vendor = match existing {
                Some(vendor) => services::update_vendor(&mut unit, vendor, &data, now).await?,
                None => services::create_vendor(&mut unit, fresh, &self.code, &data, now).await?,
            };
            let (subject, after) = (("vendor", vendor.id.to_string()), by.named(vendor_state(&vendor)));
            let act = Act { action, subject, reason: by.reason, before, after };
            record(&mut unit, clock.as_ref(), act).await?;
            unit.commit().await?;
            Ok(vendor)
        };
        let vendor = transact(set).await?;
        writeln!(std::io::stdout(), "Vendor `{}` is stored as {}.", vendor.code, vendor.id)?;
        Ok(())
    }

    /// The options; what is not given stays as it is.
    fn data(&self, former: Option<&Vendor>) -> anyhow::Result<VendorData> {
        let legal_name = self.legal_name.clone().or_else(|| former.map(|vendor| vendor.legal_name.clone()));
        let email = former.and_then(|vendor| vendor.email.as_deref());
        let receipts =
            former.map_or(ReceiptMode { prepayment: true, closing: true }, |vendor| vendor.receipts);
        Ok(VendorData {
            legal_name: legal_name.context("a new vendor needs --legal-name")?,
            inn: self.inn.clone().or_else(|| former.and_then(|vendor| vendor.inn.clone())),
            email: match (&self.email, email) {
                (Some(email), _) => Some(email.clone()),
                (None, Some(email)) => Some(email.parse()?),
                (None, None) => None,
            },
            phone: self.phone.clone().or_else(|| former.and_then(|vendor| vendor.phone.clone())),
            charge_initiator: self.charge_initiator.clone().unwrap_or_else(|| {
                former.map_or_else(|| "R".to_owned(), |vendor| vendor.charge_initiator.clone())
            }),
            receipts: ReceiptMode {
                prepayment: self.prepayment_receipts.unwrap_or(receipts.prepayment),
                closing: self.closing_receipts.unwrap_or(receipts.closing),
            },
        })
    }
}

impl Taxes {
    /// Stores the entry. Invoices written before keep their rate.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let by = self.by.author()?;
        let outbox = open_outbox(config).await?;
        let clock = outbox.clock().as_ref();
        let taxes = VendorTaxes { valid_from: self.from, taxation: self.taxation, vat: self.vat };
        let put = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let vendor = find(&mut unit, &self.code).await?;
            let former = vendors::find_taxes(&mut unit, vendor.id, taxes.valid_from).await?;
            services::put_taxes(&mut unit, vendor.id, &taxes, clock.now()).await?;
            let act = Act {
                action: "vendor.put_taxes",
                subject: ("vendor", vendor.id.to_string()),
                reason: by.reason,
                before: former.as_ref().map_or(Value::Null, taxes_state),
                after: by.named(taxes_state(&taxes)),
            };
            record(&mut unit, clock, act).await?;
            Ok(unit.commit().await?)
        };
        transact(put).await?;
        writeln!(
            std::io::stdout(),
            "`{}`: {} {} from {}.",
            self.code,
            taxes.taxation,
            taxes.vat.as_str(),
            taxes.valid_from
        )?;
        Ok(())
    }
}

impl Terminal {
    /// Stores key and sealed password, or removes them.
    pub(super) async fn run(self, config: &Config, env: &Env) -> anyhow::Result<()> {
        let by = self.by.author()?;
        let password = if self.key == "none" { None } else { Some(self.password(env)?) };
        if password.is_some() {
            check_terminal_key(&self.key)?;
        }
        let outbox = open_outbox(config).await?;
        let store = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let vendor = find(&mut unit, &self.code).await?;
            let before = json!({ "terminal_key": vendor.terminal_key });
            let terminal = password.as_ref().map(|password| (self.key.as_str(), password));
            let (keyring, now) = (&config.keys.keyring, outbox.clock().now());
            let changed = services::set_terminal(&mut unit, keyring, vendor, terminal, now).await?;
            let act = Act {
                action: if terminal.is_some() { "vendor.set_terminal" } else { "vendor.remove_terminal" },
                subject: ("vendor", changed.id.to_string()),
                reason: by.reason,
                before,
                after: by.named(json!({ "terminal_key": changed.terminal_key })),
            };
            record(&mut unit, outbox.clock().as_ref(), act).await?;
            unit.commit().await?;
            Ok(changed)
        };
        let vendor = transact(store).await?;
        let terminal = vendor.terminal_key.as_deref().unwrap_or("of the environment");
        writeln!(std::io::stdout(), "`{}` uses the terminal {terminal}.", vendor.code)?;
        Ok(())
    }

    /// Never from the command line, which other users of the machine can read.
    fn password(&self, env: &Env) -> anyhow::Result<SecretString> {
        if let Some(name) = &self.password_env {
            return env.secret_named(name).with_context(|| format!("the variable `{name}` is not set"));
        }
        ensure!(self.password_stdin, "name the source of the password: --password-env or --password-stdin");
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        match text.trim() {
            "" => bail!("standard input contains no password"),
            secret => Ok(SecretString::from(secret)),
        }
    }
}

impl Assign {
    /// Moves the widget. Invoices that were written keep their seller.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let by = self.by.author()?;
        let outbox = open_outbox(config).await?;
        let clock = outbox.clock().as_ref();
        let assign = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let vendor = find(&mut unit, &self.code).await?;
            let widget = find_widget(&mut unit, &self.widget).await?;
            let former = vendors::find_vendor_of_widget(&mut unit, widget.id).await?;
            vendors::set_vendor_of_widget(&mut unit, widget.id, vendor.id, clock.now()).await?;
            let act = Act {
                action: "vendor.assign_widget",
                subject: ("vendor", vendor.id.to_string()),
                reason: by.reason,
                before: json!({ "widget": widget.code, "vendor": former.map(|former| former.code) }),
                after: by.named(json!({ "widget": widget.code, "vendor": vendor.code })),
            };
            record(&mut unit, clock, act).await?;
            unit.commit().await?;
            Ok((widget.code, vendor.code))
        };
        let (widget, vendor) = transact(assign).await?;
        writeln!(std::io::stdout(), "`{widget}` is sold by `{vendor}` now.")?;
        Ok(())
    }
}
