//! The one way a purchase is begun.

use flysk_domain::id::{PackageId, PurchaseId, UserId};
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::platform::purchases::Email;
use flysk_domain::trace::Trace;
use flysk_jobs::billing::{Asked, MOST_OPEN, PurchaseRequest, request_purchase};
use flysk_store::ledger::{self, WalletRow};
use flysk_store::platform::installs::Install;
use flysk_store::purchases::Purchase;
use flysk_store::repeat_contended;
use flysk_vault::places;
use secrecy::SecretString;

use crate::deps::{Deps, on};
use crate::problem::{Problem, ProblemCode};

/// Who buys: an administrator of the account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Buyer<'a> {
    /// For which install.
    pub(crate) install: &'a Install,
    /// Who.
    pub(crate) user_id: UserId,
}

/// What is bought.
#[derive(Debug)]
pub(crate) struct Order<'a> {
    /// The version of the package.
    pub(crate) package_id: PackageId,
    /// Where the receipt goes.
    pub(crate) email: &'a Email,
    /// Keep the card.
    pub(crate) save_card: bool,
    /// The same key is the same purchase; 1 to 120 visible ASCII characters.
    pub(crate) key: &'a str,
}

/// A purchase that was begun, now or before under the same key.
#[derive(Debug)]
pub(crate) struct Bought {
    /// The purchase.
    pub(crate) purchase: Purchase,
    /// It was begun before.
    pub(crate) replayed: bool,
}

/// The buyer's wallet.
pub(crate) async fn wallet_of(deps: &Deps, install: &Install) -> Result<WalletRow, Problem> {
    let mut conn = deps.conn().await?;
    let wallet = ledger::find_wallet_of_install(on(&mut conn), install.id).await?;
    wallet.ok_or_else(|| Problem::new(ProblemCode::WrongState, "the account has no wallet yet"))
}

/// Begins a purchase: writes it and the job that opens the bank's form.
pub(crate) async fn buy(
    deps: &Deps,
    trace: &Trace,
    buyer: Buyer<'_>,
    order: Order<'_>,
) -> Result<Bought, Problem> {
    let Some(tbank) = &deps.config.tbank else {
        return Err(Problem::new(ProblemCode::NothingForSale, "payments are not set up here"));
    };
    if buyer.install.status != InstallStatus::Active {
        return Err(Problem::new(ProblemCode::InstallInactive, "the widget has to be active to buy for it"));
    }
    let wallet = wallet_of(deps, buyer.install).await?;
    let id = PurchaseId::generate(deps.clock());
    let contact = SecretString::from(order.email.as_str());
    let sealed = deps.keyring.seal(&contact, &places::purchase_contact(id)).map_err(|error| {
        tracing::error!(error = %error, "a contact cannot be sealed");
        Problem::new(ProblemCode::Internal, "told to our operators")
    })?;
    // Keyed, since an address could be guessed from a plain hash.
    let body = format!("purchase\n{}\n{}\n{}", order.package_id, order.save_card, order.email.as_str());
    let hashes: Vec<String> = deps.keyring.lookup_hashes(&body).iter().map(ToString::to_string).collect();
    let request = PurchaseRequest {
        id,
        wallet: &wallet,
        package_id: order.package_id,
        terminal_key: &tbank.terminal_key,
        contact_sealed: &sealed,
        save_card: order.save_card,
        bought_by: buyer.user_id,
        key: order.key,
        body_hashes: &hashes,
    };
    let ask = || async {
        let mut unit = deps.begin(trace).await?;
        let asked = request_purchase(&mut unit, &request, deps.clock()).await?;
        unit.commit().await?;
        Ok::<_, Problem>(asked)
    };
    match repeat_contended(ask).await? {
        Asked::Begun(purchase) => Ok(Bought { purchase: *purchase, replayed: false }),
        Asked::Known(purchase) => Ok(Bought { purchase: *purchase, replayed: true }),
        Asked::KeyReused => {
            Err(Problem::new(ProblemCode::IdempotencyKeyReused, "take a new key for another purchase"))
        }
        Asked::NotOnOffer => {
            Err(Problem::new(ProblemCode::NotOnOffer, "the widget does not offer this package"))
        }
        Asked::TooManyOpen => {
            let detail = format!("{MOST_OPEN} purchases wait for their payment: finish one, or wait");
            Err(Problem::new(ProblemCode::TooManyRequests, detail))
        }
    }
}
