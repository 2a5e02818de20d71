//! Whose coins: an account of the caller's widget, and its wallet.

use flysk_domain::id::{AccountId, InstallId, WalletId};
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::trace::Trace;
use flysk_store::ledger::{self, WalletRow};
use flysk_store::platform::installs;
use flysk_store::platform::widgets::Widget;
use flysk_store::{StoreError, repeat_contended};
use flysk_vault::flycoins;

use crate::deps::{Deps, on};
use crate::problem::{Problem, ProblemCode};

/// An account that pays.
#[derive(Debug)]
pub(super) struct Customer {
    /// Whether the widget may work there.
    pub(super) status: InstallStatus,
    /// Its coins.
    pub(super) wallet: WalletRow,
}

impl Customer {
    /// Refuses new charges where the widget may not work.
    pub(super) fn must_be_active(&self) -> Result<(), Problem> {
        if self.status == InstallStatus::Active {
            return Ok(());
        }
        let detail = format!("the widget is `{}` in this account", self.status);
        Err(Problem::new(ProblemCode::InstallAsleep, detail))
    }
}

/// The widget's own customer: another widget's in the same account is not there for it.
pub(super) async fn customer_of(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    account_id: u64,
) -> Result<Customer, Problem> {
    must_use_flycoins(widget)?;
    let found = ledger::find_customer(on(&mut deps.conn().await?), widget.id, AccountId(account_id)).await?;
    let found = found.ok_or_else(|| {
        Problem::new(ProblemCode::NoSuchInstall, format!("account {account_id} has not installed the widget"))
    })?;
    let wallet = match found.wallet {
        Some(wallet) => wallet,
        None => open(deps, trace, widget, found.install_id).await?,
    };
    Ok(Customer { status: found.status, wallet })
}

/// Refuses a widget that is paid otherwise.
pub(super) fn must_use_flycoins(widget: &Widget) -> Result<(), Problem> {
    if widget.uses_flycoins {
        return Ok(());
    }
    let detail = format!("`{}` is registered without Flycoins: an operator can switch them on", widget.code);
    Err(Problem::new(ProblemCode::FlycoinsNotUsed, detail))
}

/// Opens the wallet of an install that is older than its widget's use of Flycoins. The install's lock lets one
/// of several at once do it.
pub(crate) async fn open(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    install: InstallId,
) -> Result<WalletRow, Problem> {
    let open = || async {
        let mut unit = deps.begin(trace).await?;
        let install =
            installs::lock(&mut unit, install).await?.ok_or(StoreError::Stale { what: "install" })?;
        let opened = flycoins::welcome(&mut unit, deps.clock(), widget, &install, install.status).await?;
        unit.commit().await?;
        opened.ok_or_else(|| StoreError::Stale { what: "wallet" }.into())
    };
    repeat_contended(open).await
}

/// The wallet as it is at this moment: holds and lots whose time is over are freed now rather than at the next
/// sweep, so that nobody is told of coins that cannot be spent.
pub(super) async fn refresh(deps: &Deps, wallet: WalletRow) -> Result<WalletRow, Problem> {
    let over = {
        let mut conn = deps.conn().await?;
        ledger::has_something_over(on(&mut conn), wallet.id, deps.clock().now()).await?
    };
    if over { sweep(deps, wallet.id).await } else { Ok(wallet) }
}

/// Frees what is over in a wallet.
pub(super) async fn sweep(deps: &Deps, wallet: WalletId) -> Result<WalletRow, Problem> {
    let sweep = || async {
        let mut tx = deps.outbox.pool().begin().await?;
        ledger::apply(&mut tx, wallet, &[], deps.clock()).await?;
        let swept = ledger::find_wallet(&mut tx, wallet).await?;
        tx.commit().await?;
        swept.ok_or(StoreError::Stale { what: "wallet" })
    };
    Ok(repeat_contended(sweep).await?)
}
