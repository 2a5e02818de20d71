//! The acts of operators on a subscription. The subscription's own log has the operator and the reason too.

use flysk_domain::Clock;
use flysk_domain::admin::{BONUS_WINDOW, bonus_needs_second};
use flysk_domain::id::{InstallId, SubscriptionId};
use flysk_domain::platform::subscriptions::{CancelOutcome, SubscriptionSettings};
use flysk_domain::russian::days_word;
use flysk_services::audit_states::subscription_state;
use flysk_services::invoice_payments::find_chargeable_card;
use flysk_services::subscriptions::{self as services, Actor, CancelError, OperatorAct, settings_of};
use flysk_store::platform::subscriptions::{self, SubscriptionRow};
use flysk_store::platform::{installs, widgets};
use flysk_store::repeat_contended;
use poem::Response;
use serde_json::{Value, json};

use crate::http::{Act, Billing, Fault, Pairs, Record, Visit};
use crate::screens::approval_requests;
use crate::screens::subscription_faults::to_fault;
use crate::view::format;

/// Locks the subscription of the address and reads its widget's settings.
pub(super) async fn lock(
    act: &mut Act<'_, Billing>,
    id: SubscriptionId,
) -> Result<(SubscriptionRow, SubscriptionSettings), Fault> {
    let row = subscriptions::lock_subscription(act, id).await?;
    let widget = widgets::find(act, row.widget_id).await?.ok_or(Fault::NotFound)?;
    Ok((row, settings_of(&widget)))
}

pub(super) fn record<'a>(
    action: &'a str,
    id: SubscriptionId,
    reason: &'a str,
    before: &SubscriptionRow,
    after: Value,
) -> Record<'a> {
    Record {
        action,
        subject: ("subscription", id.to_string()),
        reason,
        before: subscription_state(before),
        after,
    }
}

/// `POST /subscriptions/:id/renew`.
pub(crate) async fn renew(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (id, reason): (SubscriptionId, _) = (visit.request.id()?, visit.reason()?);
    let seen: Option<u32> = visit.request.form.parsed("seen", "seen")?;
    let run = || async {
        let mut act = visit.begin().await?;
        let (row, settings) = lock(&mut act, id).await?;
        // A form that was sent twice charges once.
        if seen != Some(row.version) {
            return Err(Fault::conflict("Подписка изменилась, пока форма была открыта. Откройте её заново."));
        }
        let by = OperatorAct { operator: &visit.who.login, reason };
        let invoice = services::force_renewal(act.unit(), visit.deps.clock(), &settings, &row, by)
            .await
            .map_err(to_fault)?;
        let is_charged = find_chargeable_card(&mut act, &row).await?.is_some();
        let after = json!({ "invoice": invoice.id, "total_kopecks": invoice.total });
        act.commit(record("subscription.renew", id, reason, &row, after)).await?;
        Ok::<_, Fault>((invoice.total, row.card_id.is_some(), is_charged))
    };
    let (total, has_card, is_charged) = repeat_contended(run).await?;
    let how = match (has_card, is_charged) {
        (_, true) => "карта списывается",
        (true, false) => "ждёт клиента: с его карты списать нельзя, она сохранена на другом терминале",
        (false, false) => "ждёт клиента: карты нет",
    };
    Ok(visit.done(&format!("/subscriptions/{id}"), &format!("Счёт на {}: {how}.", format::roubles(total))))
}

/// `POST /subscriptions/:id/bonus`. Waits for a second operator if the days of the subscription are many together.
pub(crate) async fn grant_bonus(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (id, reason): (SubscriptionId, _) = (visit.request.id()?, visit.reason()?);
    let (form, clock) = (&visit.request.form, visit.deps.clock());
    let days = days_of(form)?;
    let run = || async {
        let mut act = visit.begin().await?;
        let by = OperatorAct { operator: &visit.who.login, reason };
        let (before, after) = grant_bonus_in(&mut act, clock, id, form, by).await?;
        // The subscription is locked by now: no other days are granted before this transaction ends.
        let granted = subscriptions::sum_bonus_days_since(&mut act, id, clock.now() - BONUS_WINDOW).await?;
        if bonus_needs_second(granted) {
            return Ok(false);
        }
        let (action, subject) = (approval_requests::BONUS, ("subscription", id.to_string()));
        act.commit(Record { action, subject, reason, before, after }).await?;
        Ok::<_, Fault>(true)
    };
    if !repeat_contended(run).await? {
        let (subject, amount) = (("subscription", id.to_string()), format!("{days} {}", days_word(days)));
        return approval_requests::request(&visit, approval_requests::BONUS, form, subject, amount, reason)
            .await;
    }
    Ok(visit.done(&format!("/subscriptions/{id}"), &format!("Начислено бонусных дней: {days}.")))
}

fn days_of(form: &Pairs) -> Result<u32, Fault> {
    let days: Option<u32> = form.parsed("days", "Дней")?;
    days.ok_or_else(|| Fault::refused("Заполните поле «Дней»."))
}

/// Grants the days that the form says, in the transaction of an act. Returns the fields before and after for the audit log.
pub(in crate::screens) async fn grant_bonus_in(
    act: &mut Act<'_, Billing>,
    clock: &dyn Clock,
    id: SubscriptionId,
    form: &Pairs,
    by: OperatorAct<'_>,
) -> Result<(Value, Value), Fault> {
    let days = days_of(form)?;
    let seen: Option<u32> = form.parsed("seen", "seen")?;
    let (row, settings) = lock(act, id).await?;
    // A form that was sent twice grants the days once.
    if seen.is_some_and(|seen| seen != row.version) {
        return Err(Fault::conflict("Подписка изменилась, пока форма была открыта. Откройте её заново."));
    }
    let new =
        services::grant_bonus_days(act.unit(), clock, &settings, &row, days, by).await.map_err(to_fault)?;
    let mut after = subscription_state(&new);
    if let Some(fields) = after.as_object_mut() {
        fields.insert("days".to_owned(), days.into());
    }
    Ok((subscription_state(&row), after))
}

/// `POST /subscriptions/:id/cancel`.
pub(crate) async fn cancel(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (id, reason): (SubscriptionId, _) = (visit.request.id()?, visit.reason()?);
    let run = || async {
        let mut act = visit.begin().await?;
        let (row, settings) = lock(&mut act, id).await?;
        let actor = Actor::Operator(&visit.who.login);
        let clock = visit.deps.clock();
        let (new, outcome) = services::cancel(act.unit(), clock, &settings, &row, actor, Some(reason))
            .await
            .map_err(not_cancelled)?;
        act.commit(record("subscription.cancel", id, reason, &row, subscription_state(&new))).await?;
        Ok::<_, Fault>(outcome)
    };
    let notice = match repeat_contended(run).await? {
        CancelOutcome::AtPeriodEnd(day) => format!("Подписка закончится {}.", day.format("%d.%m.%Y")),
        CancelOutcome::Now => "Подписка закончилась.".to_owned(),
    };
    Ok(visit.done(&format!("/subscriptions/{id}"), &notice))
}

/// `POST /subscriptions/:id/end-refunded`. A form that was sent twice is refused: no period runs any more.
pub(crate) async fn end_refunded(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (id, reason): (SubscriptionId, _) = (visit.request.id()?, visit.reason()?);
    let run = || async {
        let mut act = visit.begin().await?;
        let (row, settings) = lock(&mut act, id).await?;
        let by = OperatorAct { operator: &visit.who.login, reason };
        let new = services::end_refunded(act.unit(), visit.deps.clock(), &settings, &row, by)
            .await
            .map_err(to_fault)?;
        act.commit(record("subscription.end_refunded", id, reason, &row, subscription_state(&new))).await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/subscriptions/{id}"), "Подписка закончилась."))
}

/// `POST /subscriptions/:id/restore`.
pub(crate) async fn restore(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (id, reason): (SubscriptionId, _) = (visit.request.id()?, visit.reason()?);
    let run = || async {
        let mut act = visit.begin().await?;
        let (row, settings) = lock(&mut act, id).await?;
        let actor = Actor::Operator(&visit.who.login);
        let new = services::restore(act.unit(), visit.deps.clock(), &settings, &row, actor)
            .await
            .map_err(not_cancelled)?;
        act.commit(record("subscription.restore", id, reason, &row, subscription_state(&new))).await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/subscriptions/{id}"), "Отмена отозвана."))
}

/// `POST /subscriptions/:id/reinstate`. A form that was sent twice is refused: the subscription has not ended any more.
pub(crate) async fn reinstate(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (id, reason): (SubscriptionId, _) = (visit.request.id()?, visit.reason()?);
    let run = || async {
        let mut act = visit.begin().await?;
        let (row, settings) = lock(&mut act, id).await?;
        let by = OperatorAct { operator: &visit.who.login, reason };
        let invoice = services::reinstate(act.unit(), visit.deps.clock(), &settings, &row, by)
            .await
            .map_err(to_fault)?;
        let after = json!({ "invoice": invoice.id, "total_kopecks": invoice.total });
        act.commit(record("subscription.reinstate", id, reason, &row, after)).await?;
        Ok::<_, Fault>(invoice.total)
    };
    let total = repeat_contended(run).await?;
    let told = format!("Подписка восстановлена, счёт на {} ждёт оплаты.", format::roubles(total));
    Ok(visit.done(&format!("/subscriptions/{id}"), &told))
}

/// `POST /subscriptions/:id/end-review`.
pub(crate) async fn end_review(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (id, reason): (SubscriptionId, _) = (visit.request.id()?, visit.reason()?);
    let run = || async {
        let mut act = visit.begin().await?;
        let (row, settings) = lock(&mut act, id).await?;
        let by = OperatorAct { operator: &visit.who.login, reason };
        let new = services::clear_review(act.unit(), visit.deps.clock(), &settings, &row, by)
            .await
            .map_err(to_fault)?;
        act.commit(record("subscription.end_review", id, reason, &row, subscription_state(&new))).await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/subscriptions/{id}"), "Разбор закончен, подписка завершена."))
}

/// `POST /installs/:id/subscription`: a subscription for an install older than its widget's subscriptions.
pub(crate) async fn start(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (install, reason): (InstallId, _) = (visit.request.id()?, visit.reason()?);
    let run = || async {
        let mut act = visit.begin().await?;
        let install = installs::lock(&mut act, install).await?.ok_or(Fault::NotFound)?;
        if subscriptions::find_subscription_of_install(&mut act, install.id).await?.is_some() {
            return Err(Fault::conflict("У этой установки уже есть подписка."));
        }
        let widget = widgets::find(&mut act, install.widget_id).await?.ok_or(Fault::NotFound)?;
        let row = services::start_trial(act.unit(), visit.deps.clock(), &widget, &install).await?;
        let row = row.ok_or_else(|| Fault::refused("Этот виджет не продаётся по подписке."))?;
        act.commit(Record {
            action: "subscription.start",
            subject: ("subscription", row.id.to_string()),
            reason,
            before: Value::Null,
            after: subscription_state(&row),
        })
        .await?;
        Ok::<_, Fault>(row.id)
    };
    let id = repeat_contended(run).await?;
    Ok(visit.done(&format!("/subscriptions/{id}"), "Подписка создана."))
}

pub(super) fn not_cancelled(error: CancelError) -> Fault {
    match error {
        CancelError::Refused(_) | CancelError::NothingToWithdraw => {
            Fault::conflict("Состояние подписки этого не позволяет. Обновите страницу.")
        }
        CancelError::Store(error) => error.into(),
    }
}
