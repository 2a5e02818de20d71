//! Refund, end of a review, query to the bank.

use flysk_domain::admin::refund_needs_second;
use flysk_domain::id::{LotId, PurchaseId};
use flysk_domain::money::{Kopecks, MicroCoins};
use flysk_domain::platform::ledger::LedgerRefusal;
use flysk_domain::platform::purchases::{Refundable, Unrefundable};
use flysk_domain::{Clock, TextEnum as _};
use flysk_jobs::platform::billing::ReconcilePayment;
use flysk_queue::UnitOfWork;
use flysk_services::purchases::{
    RefundError, RefundRequest, ResolveReviewError, request_refund, resolve_review,
};
use flysk_store::platform::ledger;
use flysk_store::platform::purchases::{self, Purchase};
use flysk_store::{Conn, repeat_contended};
use poem::Response;
use serde_json::{Value, json};

use crate::http::{Billing, Fault, Pairs, Record, Support, Visit};
use crate::screens::approval_requests;
use crate::view::{Labeled as _, format};

/// Maximum length of a requester in a refund's row.
const MAX_REQUESTER_LEN: usize = 64;

/// `POST /purchases/:id/refresh`.
pub(crate) async fn refresh(visit: Visit<Support>) -> Result<Response, Fault> {
    let (id, reason): (PurchaseId, _) = (visit.request.id()?, visit.reason()?);
    let ask = || async {
        let mut act = visit.begin().await?;
        let purchase = purchases::find_purchase(&mut act, id).await?.ok_or(Fault::NotFound)?;
        act.unit().enqueue(&ReconcilePayment { purchase_id: id, whole_order: true }).await?;
        act.commit(Record {
            action: "purchase.refresh",
            subject: ("purchase", id.to_string()),
            reason,
            before: json!({ "state": purchase.state.as_str() }),
            after: Value::Null,
        })
        .await
    };
    repeat_contended(ask).await?;
    Ok(visit
        .done(&format!("/purchases/{id}"), "Банк будет опрошен. Обновите страницу через несколько секунд."))
}

/// `POST /purchases/:id/refund`. Waits for a second operator if the purchase's refunds are large together.
pub(crate) async fn refund(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (id, reason): (PurchaseId, _) = (visit.request.id()?, visit.reason()?);
    let form = &visit.request.form;
    let (found, most) = {
        let mut conn = visit.deps.read().await?;
        let found = purchases::find_purchase(&mut conn, id).await?.ok_or(Fault::NotFound)?;
        let most = most_refundable(&mut conn, visit.deps.clock(), &found).await?;
        (found, most)
    };
    check_seen(form, &found)?;
    let left = Kopecks(found.price.0.saturating_sub(found.refunded.0));
    let wanted = kopecks_of(form)?.unwrap_or(most);
    if wanted > left {
        return Err(Fault::refused(format!("Столько вернуть нельзя: осталось {}.", format::roubles(left))));
    }
    if refund_needs_second(found.refunded.checked_add(wanted).map_err(Fault::internal)?) {
        // Refused now rather than when the second operator approves it.
        if !wanted.is_positive() || wanted > most {
            let text = "Сумма должна быть больше нуля и не больше того, что сейчас можно вернуть";
            return Err(Fault::refused(format!("{text}: {}.", format::roubles(most))));
        }
        // What an empty field stands for may change before the second operator approves it.
        let form = form.with("roubles", &wanted.to_string());
        let subject = ("purchase", id.to_string());
        let amount = format::roubles(wanted);
        return approval_requests::request(&visit, approval_requests::REFUND, &form, subject, amount, reason)
            .await;
    }
    let run = || async {
        let mut act = visit.begin().await?;
        let (before, after) = refund_in(&mut act, visit.deps.clock(), id, form, &visit.who.login).await?;
        let total = purchases::find_purchase(&mut act, id).await?.ok_or(Fault::NotFound)?.refunded;
        if refund_needs_second(total) {
            return Err(Fault::conflict("Сумма возвратов этой покупки уже другая. Откройте покупку заново."));
        }
        act.commit(Record {
            action: approval_requests::REFUND,
            subject: ("purchase", id.to_string()),
            reason,
            before,
            after,
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/purchases/{id}"), "Возврат принят, деньги вернёт задание."))
}

/// Refundable sum of a purchase now: the price of its unspent coins.
async fn most_refundable(conn: &mut Conn, clock: &dyn Clock, purchase: &Purchase) -> Result<Kopecks, Fault> {
    let (now, lots) = (clock.now(), ledger::list_open_lots(conn, purchase.wallet_id).await?);
    let left = |id: Option<LotId>| {
        let lot = lots.iter().find(|lot| Some(lot.id) == id && !lot.is_expired(now));
        lot.map_or(MicroCoins::ZERO, |lot| lot.left)
    };
    let refundable = Refundable {
        price: purchase.price,
        refunded: purchase.refunded,
        coins: purchase.coins,
        coins_left: left(purchase.coins_lot),
        bonus: purchase.bonus,
        bonus_left: left(purchase.bonus_lot),
    };
    refundable.max_refundable().map_err(Fault::internal)
}

/// A form that was sent twice refunds once: it knows what was refunded when it was opened.
fn check_seen(form: &Pairs, purchase: &Purchase) -> Result<(), Fault> {
    let seen: Option<i64> = form.parsed("seen", "seen")?;
    if seen == Some(purchase.refunded.0) {
        return Ok(());
    }
    Err(Fault::conflict("По этой покупке тем временем оформили другой возврат. Откройте её заново."))
}

fn kopecks_of(form: &Pairs) -> Result<Option<Kopecks>, Fault> {
    let text = form.get("roubles").map(|text| text.replace(',', "."));
    let wrong = || Fault::refused("Сумма: рубли с копейками через точку, например 499.05.");
    text.map(|text| text.parse()).transpose().map_err(|_| wrong())
}

/// Requests the refund that the form asks for, in the transaction of an act. Returns the fields before and after for the
/// audit log.
pub(in crate::screens) async fn refund_in(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    id: PurchaseId,
    form: &Pairs,
    requested_by: &str,
) -> Result<(Value, Value), Fault> {
    let requester: String = requested_by.chars().take(MAX_REQUESTER_LEN).collect();
    purchases::find_purchase(unit, id).await?.ok_or(Fault::NotFound)?;
    let before = purchases::lock_purchase(unit, id).await?;
    check_seen(form, &before)?;
    let request = RefundRequest { purchase_id: id, kopecks: kopecks_of(form)?, requested_by: &requester };
    let refund = request_refund(unit, &request, clock).await.map_err(to_fault)?;
    let after = json!({
        "refund": refund.id,
        "refund_kopecks": refund.allocation.kopecks,
        "coins_micro": refund.allocation.coins,
        "bonus_micro": refund.allocation.bonus,
    });
    Ok((json!({ "refunded_kopecks": before.refunded }), after))
}

/// Why a refund is refused, in Russian.
fn to_fault(error: RefundError) -> Fault {
    match error {
        RefundError::NotPaid => Fault::conflict("Покупка не оплачена: возвращать нечего."),
        RefundError::PaidByTransfer => {
            Fault::conflict("Покупка оплачена переводом: верните деньги платёжным поручением.")
        }
        RefundError::AlreadyInProgress => Fault::conflict("Предыдущий возврат этой покупки ещё не завершён."),
        RefundError::AddressErased => Fault::conflict(
            "Адрес для чека стёрт вместе с данными аккаунта. Верните деньги в личном кабинете банка.",
        ),
        RefundError::Unrefundable(reason) => unrefundable(reason),
        RefundError::Ledger(LedgerRefusal::Insufficient) => {
            Fault::conflict("Монет в кошельке уже не хватает. Откройте покупку заново.")
        }
        RefundError::Ledger(refusal) => Fault::internal(refusal),
        RefundError::Store(error) => error.into(),
    }
}

fn unrefundable(reason: Unrefundable) -> Fault {
    match reason {
        Unrefundable::NothingLeft => Fault::refused(
            "Возвращать нечего: все монеты этой покупки израсходованы, зарезервированы или уже возвращены.",
        ),
        Unrefundable::MoreThanLeft(most) => Fault::refused(format!(
            "Столько вернуть нельзя, можно не больше {}: остальные монеты этой покупки израсходованы, зарезервированы или уже \
             возвращены.",
            format::roubles(most)
        )),
        Unrefundable::NotPositive => Fault::refused("Сумма должна быть больше нуля."),
        Unrefundable::OutOfRange(_) => Fault::refused("Сумма слишком велика."),
    }
}

/// `POST /purchases/:id/resolve`.
pub(crate) async fn resolve(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (id, reason): (PurchaseId, _) = (visit.request.id()?, visit.reason()?);
    let run = || async {
        let mut act = visit.begin().await?;
        let now = act.now();
        let resolved = resolve_review(&mut act, id, now).await.map_err(|error| match error {
            ResolveReviewError::NoDiscrepancy(_) => Fault::conflict("У покупки больше нет расхождения."),
            ResolveReviewError::Store(error) => error.into(),
        })?;
        act.commit(Record {
            action: "purchase.resolve_review",
            subject: ("purchase", id.to_string()),
            reason,
            before: json!({ "state": resolved.before.state.as_str(), "discrepancy": resolved.discrepancy.as_str() }),
            after: json!({ "state": resolved.state.as_str(), "discrepancy": null }),
        })
        .await?;
        Ok::<_, Fault>(resolved.state)
    };
    let state = repeat_contended(run).await?;
    Ok(visit.done(&format!("/purchases/{id}"), &format!("Проверка закончена, покупка {}.", state.label())))
}
