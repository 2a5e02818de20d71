//! Wallets of installs, and the welcome bonus.

use chrono::TimeDelta;
use flysk_domain::Clock;
use flysk_domain::TextEnum as _;
use flysk_domain::id::{InstallId, LotId, TransactionId, WalletId};
use flysk_domain::platform::billing::{BillingSettings, WelcomeBonus};
use flysk_domain::platform::ledger::{Command, Origin};
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::trace::Trace;
use flysk_queue::Outbox;
use flysk_store::platform::installs::{self, Install};
use flysk_store::platform::ledger::{self, CommandOutcome, LedgerCommand, WalletRow};
use flysk_store::platform::widgets::Widget;
use flysk_store::{Conn, StoreError, StoreResult, repeat_contended};

/// Text of the bonus in the wallet's history, in Russian.
const BONUS_REFERENCE: &str = "Приветственный бонус";

/// Finds or creates the wallet of an install whose row the caller has locked. `None` if the widget does not use Flycoins.
///
/// Called where installs are created. An install older than its widget's use of Flycoins gets its wallet on first use,
/// because an operator may enable Flycoins for a widget at any time.
pub async fn open_wallet(
    conn: &mut Conn,
    clock: &dyn Clock,
    widget: &Widget,
    install: &Install,
) -> StoreResult<Option<WalletRow>> {
    if !widget.uses_flycoins {
        return Ok(None);
    }
    if let Some(wallet) = ledger::find_wallet_of_install(conn, install.id).await? {
        return Ok(Some(wallet));
    }
    let fresh = WalletId::generate(clock);
    ledger::insert_wallet(conn, fresh, install.id, widget.id, clock.now()).await?;
    let wallet = ledger::find_wallet_of_install(conn, install.id).await?;
    wallet.map(Some).ok_or(StoreError::WrongState { what: "wallet" })
}

/// Opens the wallet, and credits the welcome bonus if the widget is active in the account and the account never got
/// one. The caller has locked the install's row.
///
/// The bonus is granted once per account and widget. Its record belongs to neither install nor wallet, so it survives both.
pub async fn grant_welcome_bonus(
    conn: &mut Conn,
    clock: &dyn Clock,
    widget: &Widget,
    install: &Install,
    status: InstallStatus,
) -> StoreResult<Option<WalletRow>> {
    let Some(wallet) = open_wallet(conn, clock, widget, install).await? else { return Ok(None) };
    let Some(bonus) = welcome_bonus_of(widget).filter(|_| status == InstallStatus::Active) else {
        return Ok(Some(wallet));
    };
    let (transaction, now) = (TransactionId::generate(clock), clock.now());
    let account = (install.crm.as_str(), install.account_id);
    if !ledger::claim_welcome_bonus(conn, widget.id, account, wallet.id, transaction, now).await? {
        return Ok(Some(wallet));
    }
    let command = Command::Credit {
        lot: LotId::generate(clock),
        origin: Origin::Bonus,
        amount: bonus.amount_micro,
        expires_at: bonus.lives_days.map(|days| now + TimeDelta::days(days.into())),
    };
    let reference = Some(BONUS_REFERENCE.to_owned());
    let instruction = LedgerCommand { reference, ..LedgerCommand::new(transaction, command) };
    match ledger::apply(conn, wallet.id, &[instruction], clock).await?.pop() {
        Some(CommandOutcome::Done(answer)) => {
            tracing::info!(install.id = %install.id, account.id = %install.account_id, amount = %bonus.amount_micro, "welcome bonus credited");
            Ok(Some(WalletRow { available: answer.available, held: answer.held, ..wallet }))
        }
        refused => {
            let reason = format!("the ledger refused the welcome bonus: {refused:?}");
            Err(StoreError::InvalidRow { what: "wallet", reason })
        }
    }
}

/// Opens the wallet of an install older than its widget's use of Flycoins, with its bonus. The install's lock
/// serialises concurrent callers.
///
/// # Errors
///
/// The install does not exist, the widget does not use Flycoins, or the database fails.
pub async fn open_late_wallet(
    outbox: &Outbox,
    trace: &Trace,
    widget: &Widget,
    install: InstallId,
) -> StoreResult<WalletRow> {
    let clock = outbox.clock().as_ref();
    let open = || async {
        let mut unit = outbox.begin(trace.clone()).await?;
        let install =
            installs::lock(&mut unit, install).await?.ok_or(StoreError::WrongState { what: "install" })?;
        let opened = grant_welcome_bonus(&mut unit, clock, widget, &install, install.status).await?;
        unit.commit().await?;
        opened.ok_or(StoreError::WrongState { what: "wallet" })
    };
    repeat_contended(open).await
}

/// The widget's bonus. Invalid billing settings are the vendor's mistake and must not prevent installs: they give no
/// bonus and an alert. The next activation in the account tries again.
fn welcome_bonus_of(widget: &Widget) -> Option<WelcomeBonus> {
    let billing = widget.billing.as_ref()?;
    match BillingSettings::read(billing, &widget.code) {
        Ok(settings) => settings.flycoins.welcome_bonus,
        Err(error) => {
            tracing::error!(alert = "billing_settings", widget.code = %widget.code, error = %error, "invalid billing settings: no welcome bonus credited");
            None
        }
    }
}
