//! Creates purchases, for widgets and for the billing page.

use flysk_domain::id::UserId;
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::platform::purchases::Email;
use flysk_domain::trace::Trace;
use flysk_services::purchases::{
    CreatePurchaseError, CreatePurchaseOutcome, MAX_OPEN_PURCHASES, PurchaseItem, PurchaseOrder,
    create_purchase, find_repeated_purchase,
};
use flysk_store::platform::installs::Install;
use flysk_store::platform::ledger::{self, WalletRow};
use flysk_store::platform::purchases::Purchase;

use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// The buyer: an administrator of the account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Buyer<'a> {
    /// The install whose wallet gets the coins.
    pub(crate) install: &'a Install,
    /// The buying user.
    pub(crate) user_id: UserId,
}

/// An order of a package.
#[derive(Debug)]
pub(crate) struct Order<'a> {
    /// A package on offer, or a sum.
    pub(crate) item: PurchaseItem,
    /// Email address for the fiscal receipt.
    pub(crate) email: &'a Email,
    /// Save the card for later payments.
    pub(crate) save_card: bool,
    /// Idempotency key; 1 to 120 visible ASCII characters.
    pub(crate) key: &'a str,
}

/// A purchase that was created by this request, or by an earlier one with the same key.
#[derive(Debug)]
pub(crate) struct PurchaseResult {
    pub(crate) purchase: Purchase,
    /// An earlier request created the purchase.
    pub(crate) replayed: bool,
}

pub(crate) async fn wallet_of(deps: &Deps, install: &Install) -> Result<WalletRow, Problem> {
    let mut conn = deps.conn().await?;
    let wallet = ledger::find_wallet_of_install(&mut conn, install.id).await?;
    wallet.ok_or_else(|| Problem::new(ProblemCode::WrongState, "the account has no wallet yet"))
}

pub(crate) fn install_inactive() -> Problem {
    Problem::new(ProblemCode::InstallInactive, "the widget must be active in the account")
}

/// Creates a purchase and enqueues the job that opens T-Bank's payment form. An order that is repeated gets its purchase, whatever
/// has happened to the install since.
pub(crate) async fn buy(
    deps: &Deps,
    trace: &Trace,
    buyer: Buyer<'_>,
    order: Order<'_>,
) -> Result<PurchaseResult, Problem> {
    let Some(tbank) = &deps.config.tbank else {
        return Err(Problem::new(ProblemCode::PurchasesUnavailable, "purchases are not configured"));
    };
    if buyer.install.status != InstallStatus::Active {
        return repeat_order(deps, buyer, &order, &tbank.terminal_key).await;
    }
    let wallet = wallet_of(deps, buyer.install).await?;
    let order = order_of(&wallet, buyer, &order, &tbank.terminal_key);
    let outcome =
        create_purchase(&deps.outbox, &deps.keyring, trace, order).await.map_err(|error| match error {
            CreatePurchaseError::Store(error) => error.into(),
            CreatePurchaseError::Keyring(_) => {
                tracing::error!(error = %error, "cannot encrypt the buyer's contact");
                Problem::new(ProblemCode::Internal, "quote X-Request-Id to support")
            }
        })?;
    answer_of(outcome)
}

/// The purchase of an earlier identical order; nothing new is bought.
async fn repeat_order(
    deps: &Deps,
    buyer: Buyer<'_>,
    order: &Order<'_>,
    terminal_key: &str,
) -> Result<PurchaseResult, Problem> {
    let mut conn = deps.conn().await?;
    let wallet = ledger::find_wallet_of_install(&mut conn, buyer.install.id).await?;
    let wallet = wallet.ok_or_else(install_inactive)?;
    let order = order_of(&wallet, buyer, order, terminal_key);
    let repeated = find_repeated_purchase(&mut conn, &deps.keyring, order).await?;
    answer_of(repeated.ok_or_else(install_inactive)?)
}

fn order_of<'a>(
    wallet: &'a WalletRow,
    buyer: Buyer<'_>,
    order: &Order<'a>,
    terminal_key: &'a str,
) -> PurchaseOrder<'a> {
    PurchaseOrder {
        wallet,
        item: order.item,
        terminal_key,
        email: order.email,
        save_card: order.save_card,
        bought_by: buyer.user_id,
        key: order.key,
    }
}

fn answer_of(outcome: CreatePurchaseOutcome) -> Result<PurchaseResult, Problem> {
    match outcome {
        CreatePurchaseOutcome::Created(purchase) => {
            Ok(PurchaseResult { purchase: *purchase, replayed: false })
        }
        CreatePurchaseOutcome::Replayed(purchase) => {
            Ok(PurchaseResult { purchase: *purchase, replayed: true })
        }
        CreatePurchaseOutcome::KeyReused => {
            Err(Problem::new(ProblemCode::IdempotencyKeyReused, "use a new key for another purchase"))
        }
        CreatePurchaseOutcome::PackageNotAvailable => {
            Err(Problem::new(ProblemCode::PackageNotAvailable, "the widget does not offer this package"))
        }
        CreatePurchaseOutcome::TooManyOpen => {
            let detail = format!("{MAX_OPEN_PURCHASES} purchases are unpaid: pay one of them or wait");
            Err(Problem::new(ProblemCode::TooManyRequests, detail))
        }
    }
}
