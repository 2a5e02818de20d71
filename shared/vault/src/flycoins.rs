//! An install's wallet, and the bonus it begins with.

use chrono::TimeDelta;
use flysk_domain::Clock;
use flysk_domain::id::{LotId, TransactionId, WalletId};
use flysk_domain::platform::billing::{BillingSettings, WelcomeBonus};
use flysk_domain::platform::ledger::{Command, Origin};
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_store::ledger::{self, Instruction, Outcome, WalletRow};
use flysk_store::platform::installs::Install;
use flysk_store::platform::widgets::Widget;
use flysk_store::{Conn, StoreError, StoreResult};

/// What people read beside the bonus, in Russian.
const BONUS_REFERENCE: &str = "Приветственный бонус";

/// The wallet of an install whose row the caller holds locked, created if there is none; `None` if the widget
/// does not use Flycoins.
///
/// Called where installs are created. An install that is older than its widget's use of Flycoins gets its
/// wallet when it is first asked for: a migration could not know whose turn it is, since an operator may
/// switch Flycoins on for a widget at any time.
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
    wallet.map(Some).ok_or(StoreError::Stale { what: "wallet" })
}

/// Opens the wallet and, if the widget is active in the account and this account was never given one, credits
/// the welcome bonus. The caller holds the install's row locked.
///
/// Once ever per account and widget: the row that remembers it belongs to neither install nor wallet.
pub async fn welcome(
    conn: &mut Conn,
    clock: &dyn Clock,
    widget: &Widget,
    install: &Install,
    status: InstallStatus,
) -> StoreResult<Option<WalletRow>> {
    let Some(wallet) = open_wallet(conn, clock, widget, install).await? else { return Ok(None) };
    let Some(bonus) = bonus_of(widget).filter(|_| status == InstallStatus::Active) else {
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
    let instruction = Instruction { reference, ..Instruction::new(transaction, command) };
    match ledger::apply(conn, wallet.id, &[instruction], clock).await?.pop() {
        Some(Outcome::Done(answer)) => {
            tracing::info!(install.id = %install.id, account.id = %install.account_id, amount = %bonus.amount_micro, "the welcome bonus was given");
            Ok(Some(WalletRow { available: answer.available, held: answer.held, ..wallet }))
        }
        refused => {
            let reason = format!("the welcome bonus was answered with {refused:?}");
            Err(StoreError::Corrupt { what: "wallet", reason })
        }
    }
}

/// A vendor's mistake must not keep its customers from installing: settings that cannot be read give no bonus
/// and an error for the operators. The next activation of the account finds it.
fn bonus_of(widget: &Widget) -> Option<WelcomeBonus> {
    let billing = widget.billing.as_ref()?;
    match BillingSettings::read(billing, &widget.code) {
        Ok(settings) => settings.flycoins.welcome_bonus,
        Err(error) => {
            tracing::error!(alert = "billing_settings", widget.code = %widget.code, error = %error, "no welcome bonus can be given");
            None
        }
    }
}
