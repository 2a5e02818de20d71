//! The paying account of an operation on Flycoins and its wallet.

use flysk_domain::id::AccountId;
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::trace::Trace;
use flysk_services::wallets;
use flysk_store::StoreError;
use flysk_store::platform::ledger::{self, WalletRow};
use flysk_store::platform::widgets::Widget;

use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// A paying account.
#[derive(Debug)]
pub(super) struct Customer {
    /// Status of the widget's install in the account.
    pub(super) status: InstallStatus,
    /// The account's wallet for the widget.
    pub(super) wallet: WalletRow,
}

impl Customer {
    /// Fails with `install_not_active` unless the widget is active in the account.
    pub(super) fn must_be_active(&self) -> Result<(), Problem> {
        if self.status == InstallStatus::Active {
            return Ok(());
        }
        let detail = format!("the widget is `{}` in this account", self.status);
        Err(Problem::new(ProblemCode::InstallNotActive, detail))
    }
}

/// The widget's install and wallet in an account. Wallets of other widgets in the same account are not found.
pub(super) async fn customer_of(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    account_id: u64,
) -> Result<Customer, Problem> {
    must_use_flycoins(widget)?;
    let found = ledger::find_customer(&mut *deps.conn().await?, widget.id, AccountId(account_id)).await?;
    let found = found.ok_or_else(|| {
        Problem::new(
            ProblemCode::InstallNotFound,
            format!("account {account_id} has not installed the widget"),
        )
    })?;
    let wallet = match found.wallet {
        Some(wallet) => wallet,
        None => wallets::open_late_wallet(&deps.outbox, trace, widget, found.install_id).await?,
    };
    Ok(Customer { status: found.status, wallet })
}

/// Fails with `flycoins_not_used` unless the widget uses Flycoins.
pub(super) fn must_use_flycoins(widget: &Widget) -> Result<(), Problem> {
    if widget.uses_flycoins {
        return Ok(());
    }
    let detail = format!("`{}` does not use Flycoins: ask support to enable them", widget.code);
    Err(Problem::new(ProblemCode::FlycoinsNotUsed, detail))
}

/// The current wallet. Expired holds and lots are released first instead of waiting for the next sweep, so that the balance
/// contains no coins that cannot be spent.
pub(super) async fn refresh_expired(deps: &Deps, wallet: WalletRow) -> Result<WalletRow, Problem> {
    let has_expired = {
        let mut conn = deps.conn().await?;
        ledger::has_expired(&mut conn, wallet.id, deps.clock().now()).await?
    };
    if !has_expired {
        return Ok(wallet);
    }
    wallets::expire_due(&deps.outbox, wallet.id).await?;
    let expired = ledger::find_wallet(&mut *deps.conn().await?, wallet.id).await?;
    expired.ok_or_else(|| StoreError::WrongState { what: "wallet" }.into())
}
