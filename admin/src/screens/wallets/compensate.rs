//! Crediting a compensation.

use chrono::TimeDelta;
use flysk_domain::Clock;
use flysk_domain::admin::compensation_needs_second;
use flysk_domain::id::{AuditId, WalletId};
use flysk_domain::money::MicroCoins;
use flysk_services::wallets::{Compensation, CompensationError, CompensationOutcome, compensate};
use flysk_store::admin::audit::{self, AuditFilter};
use flysk_store::admin::listing::Keyset;
use flysk_store::admin::lists::wallets;
use flysk_store::platform::ledger;
use flysk_store::{Conn, repeat_contended};
use poem::Response;
use serde_json::{Value, json};

use crate::http::{Billing, Fault, Pairs, Record, Visit};
use crate::screens::approval_requests;
use crate::view::{Field, Form, format};

/// Hours in which the compensations of a wallet are added up.
const SUMMED_HOURS: i64 = 24;
/// Compensations that are added up; more of them need a second operator whatever their sum is.
const MAX_SUMMED: u32 = 1_000;

/// The form; its key makes a second submit harmless.
pub(super) fn form(wallet: WalletId, clock: &dyn Clock) -> Form {
    Form::act(format!("/wallets/{wallet}/credit"), "Начислить компенсацию", "Начислить")
        .text("Монеты поступят сразу. Пояснение увидят пользователи аккаунта в истории кошелька.")
        .field(Field::text("amount", "Сумма, Flycoins").required().hint("Например 50 или 2.5"))
        .field(Field::text("shown", "Пояснение для клиента").required())
        .field(Field::number("days", "Сгорит через, дней").hint("Пусто: не сгорает"))
        .field(Field::hidden("key", format!("panel-{:032x}", clock.random_u128())))
}

/// `POST /wallets/:id/credit`. Waits for a second operator if the wallet's compensations of a day are large together.
pub(crate) async fn credit(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (id, reason): (WalletId, _) = (visit.request.id()?, visit.reason()?);
    let amount = amount_of(&visit.request.form)?;
    let run = || async {
        let mut act = visit.begin().await?;
        let (before, after) = credit_in(&mut act, visit.deps.clock(), id, &visit.request.form).await?;
        // The form was sent twice: nothing changed now, so nothing is recorded.
        if before.is_null() {
            return Ok(true);
        }
        // The wallet is locked by now: no other compensation is added to it before this transaction ends.
        let earlier = credited_lately(&mut act, visit.deps.clock(), id).await?;
        let total = earlier.and_then(|earlier| earlier.checked_add(amount).ok());
        if total.is_none_or(compensation_needs_second) {
            return Ok(false);
        }
        act.commit(Record {
            action: approval_requests::CREDIT,
            subject: ("wallet", id.to_string()),
            reason,
            before,
            after,
        })
        .await?;
        Ok::<_, Fault>(true)
    };
    if !repeat_contended(run).await? {
        let (form, subject) = (&visit.request.form, ("wallet", id.to_string()));
        let amount = format::coins(amount);
        return approval_requests::request(&visit, approval_requests::CREDIT, form, subject, amount, reason)
            .await;
    }
    Ok(visit.done(&format!("/wallets/{id}"), &format!("Начислено {}.", format::coins(amount))))
}

/// Sum that operators have credited to a wallet in the last [`SUMMED_HOURS`], by the audit log; `None` if that is more than
/// [`MAX_SUMMED`] compensations.
async fn credited_lately(
    conn: &mut Conn,
    clock: &dyn Clock,
    id: WalletId,
) -> Result<Option<MicroCoins>, Fault> {
    let filter = AuditFilter {
        action: Some(approval_requests::CREDIT.to_owned()),
        subject_kind: Some("wallet".to_owned()),
        subject_id: Some(id.to_string()),
        ..AuditFilter::default()
    };
    let from = AuditId::first_at(clock.now() - TimeDelta::hours(SUMMED_HOURS)).to_string();
    let since = Keyset { from, ..Keyset::oldest(MAX_SUMMED) };
    let ids = audit::ids(conn, &filter, &since).await?;
    if u32::try_from(ids.len()).is_ok_and(|count| count >= MAX_SUMMED) {
        return Ok(None);
    }
    let mut sum = MicroCoins::ZERO;
    for row in audit::rows(conn, &ids).await? {
        let after: Value =
            serde_json::from_str(row.state_after.as_deref().unwrap_or_default()).map_err(Fault::internal)?;
        let amount = after.get("amount_micro").and_then(Value::as_i64).map(MicroCoins);
        let amount =
            amount.ok_or_else(|| Fault::internal("a compensation is recorded without its amount"))?;
        sum = sum.checked_add(amount).map_err(Fault::internal)?;
    }
    Ok(Some(sum))
}

fn amount_of(form: &Pairs) -> Result<MicroCoins, Fault> {
    let text = form.get("amount").unwrap_or_default().replace(',', ".");
    text.parse().map_err(|_| Fault::refused("Сумма: число с точкой, например 50 или 2.5."))
}

async fn compensation_of(conn: &mut Conn, id: WalletId, form: &Pairs) -> Result<Compensation, Fault> {
    let wallet = wallets::rows(conn, &[id.to_string()]).await?.into_iter().next().ok_or(Fault::NotFound)?;
    Ok(Compensation {
        account_id: wallet.account_id,
        amount: amount_of(form)?,
        reason: form.required("shown", "Пояснение для клиента")?.to_owned(),
        lives_days: form.parsed("days", "Сгорит через, дней")?,
        key: form.required("key", "key")?.to_owned(),
    })
}

/// Credits what the form says, in the transaction of an act. Returns the fields before and after for the audit log; null
/// before if the same form was credited earlier.
pub(in crate::screens) async fn credit_in(
    conn: &mut Conn,
    clock: &dyn Clock,
    id: WalletId,
    form: &Pairs,
) -> Result<(Value, Value), Fault> {
    let compensation = compensation_of(conn, id, form).await?;
    let before = ledger::find_wallet(conn, id).await?.ok_or(Fault::NotFound)?;
    let outcome = compensate(conn, clock, id, &compensation).await.map_err(to_fault)?;
    let CompensationOutcome::Credited(posted) = outcome else { return Ok((Value::Null, Value::Null)) };
    let after = json!({
        "available_micro": posted.available,
        "amount_micro": compensation.amount,
        "transaction": posted.transaction,
        "shown": compensation.reason,
    });
    Ok((json!({ "available_micro": before.available }), after))
}

/// Why a compensation is not credited, in Russian.
fn to_fault(error: CompensationError) -> Fault {
    match error {
        CompensationError::Amount => {
            Fault::refused("Сумма должна быть больше нуля и не больше 1 000 000 Flycoins.")
        }
        CompensationError::Reason => Fault::refused("Пояснение для клиента: от 1 до 200 знаков."),
        CompensationError::Key => Fault::refused("Форма повреждена. Откройте кошелёк заново."),
        CompensationError::LivesDays => Fault::refused("Срок жизни монет указан неверно."),
        CompensationError::KeyReused => {
            Fault::conflict("Эта форма уже отправлена с другой суммой. Откройте кошелёк заново.")
        }
        CompensationError::Ledger(refusal) => Fault::internal(refusal),
        CompensationError::Store(error) => error.into(),
    }
}
