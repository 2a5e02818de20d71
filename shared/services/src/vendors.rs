//! Vendors: sellers of widgets, their taxation and their terminal at T-Bank.

use chrono::{DateTime, Utc};
use flysk_crypto::{Keyring, KeyringError, aad};
use flysk_domain::id::VendorId;
use flysk_domain::platform::purchases::Email;
use flysk_domain::platform::subscriptions::{
    InvalidVendor, ReceiptMode, check_charge_initiator, check_inn, check_legal_name, check_phone,
    check_taxation, check_terminal_key, check_vendor_code,
};
use flysk_store::platform::vendors::{self, Vendor, VendorTaxes};
use flysk_store::{Conn, StoreError};
use secrecy::{ExposeSecret as _, SecretString};

/// Data of a vendor that operators write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorData {
    /// Legal name, the seller on receipts and invoices.
    pub legal_name: String,
    /// Taxpayer number, 10 or 12 digits.
    pub inn: Option<String>,
    /// E-mail address for customers.
    pub email: Option<Email>,
    /// Telephone number for customers, such as +74951234567.
    pub phone: Option<String>,
    /// `OperationInitiatorType` of recurring charges: `R` for an ECOM terminal, `I` for an AFT terminal.
    pub charge_initiator: String,
    /// Receipts that the vendor gives.
    pub receipts: ReceiptMode,
}

/// A vendor cannot be stored.
#[derive(Debug, thiserror::Error)]
pub enum VendorError {
    /// A field is invalid.
    #[error(transparent)]
    Invalid(#[from] InvalidVendor),
    /// Another vendor has it.
    #[error("another vendor has this code")]
    CodeTaken,
    /// Another vendor takes money at it.
    #[error("another vendor has this terminal")]
    TerminalTaken,
    /// The password cannot be encrypted.
    #[error("key ring: {0}")]
    Keyring(#[from] KeyringError),
    /// The database failed.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for VendorError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Duplicate { key } if key == "vendors_code" => Self::CodeTaken,
            StoreError::Duplicate { key } if key == "vendors_terminal" => Self::TerminalTaken,
            error => Self::Store(error),
        }
    }
}

impl VendorData {
    /// Checks all fields.
    ///
    /// # Errors
    ///
    /// The first invalid field.
    pub fn check(&self) -> Result<(), InvalidVendor> {
        check_legal_name(&self.legal_name)?;
        if let Some(inn) = &self.inn {
            check_inn(inn)?;
        }
        if let Some(phone) = &self.phone {
            check_phone(phone)?;
        }
        check_charge_initiator(&self.charge_initiator)
    }

    fn put_into(&self, vendor: Vendor) -> Vendor {
        Vendor {
            legal_name: self.legal_name.trim().to_owned(),
            inn: self.inn.clone(),
            email: self.email.as_ref().map(|email| email.as_str().to_owned()),
            phone: self.phone.clone(),
            charge_initiator: self.charge_initiator.clone(),
            receipts: self.receipts,
            ..vendor
        }
    }
}

/// Creates a vendor, with the terminal and the taxes of the environment.
///
/// # Errors
///
/// A field is invalid, or the code is taken.
pub async fn create_vendor(
    conn: &mut Conn,
    id: VendorId,
    code: &str,
    data: &VendorData,
    now: DateTime<Utc>,
) -> Result<Vendor, VendorError> {
    check_vendor_code(code)?;
    data.check()?;
    let vendor = data.put_into(Vendor {
        id,
        code: code.to_owned(),
        legal_name: String::new(),
        inn: None,
        email: None,
        phone: None,
        terminal_key: None,
        terminal_password_sealed: None,
        charge_initiator: String::new(),
        receipts: data.receipts,
        created_at: now,
        updated_at: now,
    });
    vendors::insert_vendor(conn, &vendor).await?;
    Ok(vendor)
}

/// Changes the data of a vendor. Invoices written before keep their seller's taxes.
///
/// # Errors
///
/// A field is invalid.
pub async fn update_vendor(
    conn: &mut Conn,
    vendor: Vendor,
    data: &VendorData,
    now: DateTime<Utc>,
) -> Result<Vendor, VendorError> {
    data.check()?;
    let changed = Vendor { updated_at: now, ..data.put_into(vendor) };
    vendors::update_vendor(conn, &changed, now).await?;
    Ok(changed)
}

/// Gives a vendor its own terminal (key and password, which is sealed), or takes it away: then it uses the terminal of the
/// environment.
///
/// # Errors
///
/// Key or password is invalid, or another vendor has the terminal.
pub async fn set_terminal(
    conn: &mut Conn,
    keyring: &Keyring,
    vendor: Vendor,
    terminal: Option<(&str, &SecretString)>,
    now: DateTime<Utc>,
) -> Result<Vendor, VendorError> {
    let sealed = match terminal {
        None => None,
        Some((key, password)) => {
            check_terminal_key(key)?;
            if password.expose_secret().is_empty() {
                return Err(InvalidVendor::TerminalPassword.into());
            }
            Some(keyring.seal(password, &aad::terminal_password(vendor.id))?)
        }
    };
    let changed = Vendor {
        terminal_key: terminal.map(|(key, _)| key.to_owned()),
        terminal_password_sealed: sealed,
        updated_at: now,
        ..vendor
    };
    vendors::update_vendor(conn, &changed, now).await?;
    Ok(changed)
}

/// Sets taxation and VAT of a vendor from a day on; an entry of the same day is replaced. Invoices written before keep
/// theirs.
///
/// # Errors
///
/// The taxation is unknown.
pub async fn put_taxes(
    conn: &mut Conn,
    vendor: VendorId,
    taxes: &VendorTaxes,
    now: DateTime<Utc>,
) -> Result<(), VendorError> {
    check_taxation(&taxes.taxation)?;
    Ok(vendors::put_taxes(conn, vendor, taxes, now).await?)
}
