//! Editing a subscription as its customer would: a change gets a price, which is shown, and then applied.

use flysk_domain::TextEnum as _;
use flysk_domain::id::{PlanId, QuoteId, SubscriptionId};
use flysk_domain::platform::subscriptions::{
    Change, ChangeKind, PendingKind, PeriodLength, QuoteError, SubscriptionState,
};
use flysk_services::audit_states::subscription_state;
use flysk_services::subscriptions::{
    self as services, Actor, ApplyError, ApplyOutcome, ApplyRequest, QuoteRefusal, SubscriptionDetails,
};
use flysk_store::platform::subscriptions::{self, Plan, StoredQuote};
use flysk_store::platform::widgets;
use flysk_store::repeat_contended;
use poem::Response;
use serde_json::{Value, json};

use super::acts::{lock, not_cancelled, record};
use crate::http::{Billing, Fault, Pairs, Record, Visit};
use crate::screens::invoice_tables::lines_table;
use crate::view::{Cell, DetailPage, Field, Form, Section, format};

/// Reason in the audit log of a price that was asked for: nothing has changed yet.
const PRICED: &str = "Расчёт цены изменения";

/// Forms that price a change, as far as the state allows one.
pub(super) fn forms(details: &SubscriptionDetails, plans: &[Plan]) -> Vec<Form> {
    let (id, subscription) = (details.row.id, &details.row.subscription);
    let form = |title, kind: ChangeKind| {
        Form::act(format!("/subscriptions/{id}/quote"), title, "Рассчитать")
            .text("Сначала будет показана цена, ничего не изменится.")
            .field(Field::hidden("kind", kind))
            .without_reason()
    };
    let plan = || Field::choice("plan", "Тариф", plans.iter().map(plan_choice)).required();
    let seats = subscription.terms.map_or(1, |terms| terms.seats);
    let seats = || Field::number("seats", "Мест").value(seats).required();
    let lengths = || Field::choice("length", "Период", PeriodLength::ALL.map(|l| (l.months(), l.label_ru())));
    let length = lengths().value(subscription.terms.map_or(1, |terms| terms.length.months())).required();
    match subscription.state {
        SubscriptionState::Active => {
            let seats = form("Изменить число мест", ChangeKind::Seats).field(seats());
            let length = form("Изменить период оплаты", ChangeKind::Length).field(length);
            let plan = (!plans.is_empty()).then(|| form("Сменить тариф", ChangeKind::Plan).field(plan()));
            [Some(seats), plan, Some(length)].into_iter().flatten().collect()
        }
        SubscriptionState::Renewing | SubscriptionState::PastDue => Vec::new(),
        _ if plans.is_empty() => Vec::new(),
        _ => vec![
            form("Оформить платный период", ChangeKind::Start).field(plan()).field(seats()).field(length),
        ],
    }
}

/// The form that withdraws a change that waits for the next period; `None` if none waits.
pub(super) fn withdraw_form(details: &SubscriptionDetails) -> Option<Form> {
    let kinds = details.pending.iter().map(|change| (change.kind(), pending_label(change.kind())));
    let form = Form::act(
        format!("/subscriptions/{}/withdraw-change", details.row.id),
        "Отозвать запланированное изменение",
        "Отозвать",
    );
    (!details.pending.is_empty()).then(|| form.field(Field::choice("kind", "Что", kinds).required()))
}

const fn pending_label(kind: PendingKind) -> &'static str {
    match kind {
        PendingKind::Plan => "смену тарифа",
        PendingKind::Seats => "изменение числа мест",
        PendingKind::Length => "изменение периода оплаты",
    }
}

fn plan_choice(plan: &Plan) -> (PlanId, String) {
    let prices: Vec<String> = plan
        .terms
        .prices
        .iter()
        .map(|(length, price)| format!("{}: {}", length.label_ru(), format::roubles(*price)))
        .collect();
    (plan.id, format!("{} ({})", plan.terms.title, prices.join(", ")))
}

fn change_of(form: &Pairs) -> Result<Change, Fault> {
    let plan = || -> Result<PlanId, Fault> {
        form.parsed("plan", "Тариф")?.ok_or_else(|| Fault::refused("Заполните поле «Тариф»."))
    };
    let seats = || -> Result<u32, Fault> {
        form.parsed("seats", "Мест")?.ok_or_else(|| Fault::refused("Заполните поле «Мест»."))
    };
    let length = || -> Result<PeriodLength, Fault> {
        let months: Option<u32> = form.parsed("length", "Период")?;
        let length = months.and_then(|months| PeriodLength::try_from(months).ok());
        length.ok_or_else(|| Fault::refused("Период: 1, 3, 6 или 12 месяцев."))
    };
    let kind: Option<ChangeKind> = form.parsed("kind", "Что")?;
    Ok(match kind.ok_or_else(|| Fault::refused("Выберите изменение."))? {
        ChangeKind::Start => Change::Start { plan: plan()?, seats: seats()?, length: length()? },
        ChangeKind::Seats => Change::Seats(seats()?),
        ChangeKind::Plan => Change::Plan(plan()?),
        ChangeKind::Length => Change::Length(length()?),
        ChangeKind::Renew => Change::Renew,
    })
}

fn quote_path(id: SubscriptionId, quote: QuoteId) -> String {
    format!("/subscriptions/{id}/quote?quote={quote}")
}

fn audit_fields(quote: &StoredQuote) -> Value {
    json!({
        "quote": quote.id,
        "change": quote.change.kind().as_str(),
        "total_kopecks": quote.total,
    })
}

/// `POST /subscriptions/:id/quote`: stores the price of a change and shows it.
pub(crate) async fn price(visit: Visit<Billing>) -> Result<Response, Fault> {
    let id: SubscriptionId = visit.request.id()?;
    let change = change_of(&visit.request.form)?;
    let run = || async {
        let mut act = visit.begin().await?;
        let (row, _) = lock(&mut act, id).await?;
        let (clock, actor) = (visit.deps.clock(), Actor::Operator(&visit.who.login));
        let quote = services::create_quote(act.unit(), clock, &row, change, actor).await;
        let (quote, _) = quote.map_err(not_priced)?;
        act.commit(record("subscription.quote", id, PRICED, &row, audit_fields(&quote))).await?;
        Ok::<_, Fault>(quote.id)
    };
    let quote = repeat_contended(run).await?;
    Ok(crate::http::respond::redirect(&quote_path(id, quote)))
}

/// `GET /subscriptions/:id/quote?quote=…`: lines and total, and the form that applies it.
pub(crate) async fn show(visit: Visit<Billing>) -> Result<Response, Fault> {
    let id: SubscriptionId = visit.request.id()?;
    let quote: Option<QuoteId> = visit.request.query.parsed("quote", "Расчёт")?;
    let mut conn = visit.deps.read().await?;
    let quote = subscriptions::find_quote(&mut conn, id, quote.ok_or(Fault::NotFound)?).await?;
    let quote = quote.ok_or(Fault::NotFound)?;
    let plan = match quote.change {
        Change::Start { plan, .. } | Change::Plan(plan) => subscriptions::find_plan(&mut conn, plan).await?,
        _ => None,
    };
    let mut page = DetailPage::new(visit.layout("Цена изменения"));
    page.links = vec![Cell::link(format!("/subscriptions/{id}"), "Подписка")];
    page.facts = vec![
        ("Изменение", Cell::text(change_text(quote.change, plan.as_ref()))),
        ("К оплате", Cell::roubles(quote.total)),
        ("Что будет", Cell::text(effect_text(&quote))),
        ("Цена действует до", Cell::time(quote.expires_at)),
        ("Применено", Cell::time(quote.applied_at)),
        (
            "Счёт",
            quote
                .invoice_id
                .map_or(Cell::Empty, |invoice| Cell::link(format!("/invoices/{invoice}"), invoice)),
        ),
    ];
    if quote.applied_at.is_none() {
        let apply = Form::act(format!("/subscriptions/{id}/apply"), "Применить изменение", "Применить")
            .text("Если цена тем временем изменится, будет показана новая.")
            .field(Field::hidden("quote", quote.id));
        page.acts = vec![apply];
    }
    page.sections = vec![Section::new("Строки", lines_table(&quote.lines), "Сейчас платить не за что.")];
    visit.page(&page)
}

fn change_text(change: Change, plan: Option<&Plan>) -> String {
    let title = plan.map_or("", |plan| plan.terms.title.as_str());
    match change {
        Change::Start { seats, length, .. } => {
            format!("начать период: «{title}», мест {seats}, {}", length.label_ru())
        }
        Change::Seats(seats) => format!("мест: {seats}"),
        Change::Plan(_) => format!("тариф «{title}»"),
        Change::Length(length) => format!("период оплаты: {}", length.label_ru()),
        Change::Renew => "оплатить следующий период".to_owned(),
    }
}

fn effect_text(quote: &StoredQuote) -> &'static str {
    if quote.total.is_positive() {
        "Будет выставлен счёт; изменение вступит в силу после его оплаты. Неоплаченный прежний счёт аннулируется."
    } else if quote.lines.is_empty() {
        "Изменение ждёт следующего периода, тогда изменится и цена. Если выбраны нынешние условия, ждавшее изменение отзывается."
    } else {
        "Вступит в силу сразу, платить не нужно."
    }
}

/// `POST /subscriptions/:id/apply`.
pub(crate) async fn apply(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (id, reason): (SubscriptionId, _) = (visit.request.id()?, visit.reason()?);
    let quote: Option<QuoteId> = visit.request.form.parsed("quote", "Расчёт")?;
    let quote = quote.ok_or(Fault::NotFound)?;
    // The key makes a second submit harmless.
    let key = format!("panel-{quote}");
    let run = || async {
        let mut act = visit.begin().await?;
        let (row, _) = lock(&mut act, id).await?;
        let widget = widgets::find(&mut act, row.widget_id).await?.ok_or(Fault::NotFound)?;
        let request = ApplyRequest { quote, key: &key, actor: Actor::Operator(&visit.who.login) };
        let clock = visit.deps.clock();
        let applied = services::apply_quote(act.unit(), clock, &widget, &row, request).await;
        match applied.map_err(not_applied)? {
            ApplyOutcome::Applied { invoice, replayed: true, .. } => {
                Ok((after_path(id, invoice.as_deref().map(|invoice| invoice.id)), "Изменение уже применено."))
            }
            ApplyOutcome::Applied { row: new, invoice, replayed: false } => {
                let invoice = invoice.map(|invoice| invoice.id);
                let mut after = subscription_state(&new);
                if let Some(fields) = after.as_object_mut() {
                    fields.insert("quote".to_owned(), json!(quote));
                    fields.insert("invoice".to_owned(), json!(invoice));
                    fields.insert("seats".to_owned(), json!(new.subscription.terms.map(|terms| terms.seats)));
                }
                act.commit(record("subscription.change", id, reason, &row, after)).await?;
                let notice = if invoice.is_some() {
                    "Счёт выставлен, он ждёт оплаты."
                } else {
                    "Изменение применено."
                };
                Ok((after_path(id, invoice), notice))
            }
            ApplyOutcome::Changed(renewed) => {
                act.commit(record("subscription.quote", id, PRICED, &row, audit_fields(&renewed))).await?;
                Ok((quote_path(id, renewed.id), "Цена тем временем изменилась. Проверьте новую."))
            }
            ApplyOutcome::NotFound => Err(Fault::NotFound),
            ApplyOutcome::AlreadyApplied | ApplyOutcome::KeyReused => {
                Err(Fault::conflict("Это изменение уже применили. Откройте подписку заново."))
            }
        }
    };
    let (path, notice) = repeat_contended(run).await?;
    Ok(visit.done(&path, notice))
}

fn after_path(id: SubscriptionId, invoice: Option<flysk_domain::id::InvoiceId>) -> String {
    invoice.map_or_else(|| format!("/subscriptions/{id}"), |invoice| format!("/invoices/{invoice}"))
}

/// `POST /subscriptions/:id/withdraw-change`.
pub(crate) async fn withdraw(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (id, reason): (SubscriptionId, _) = (visit.request.id()?, visit.reason()?);
    let kind: Option<PendingKind> = visit.request.form.parsed("kind", "Что")?;
    let kind = kind.ok_or_else(|| Fault::refused("Выберите изменение."))?;
    let run = || async {
        let mut act = visit.begin().await?;
        let (row, settings) = lock(&mut act, id).await?;
        let (clock, actor) = (visit.deps.clock(), Actor::Operator(&visit.who.login));
        services::withdraw_pending(act.unit(), clock, &settings, &row, kind, actor)
            .await
            .map_err(not_cancelled)?;
        act.commit(Record {
            action: "subscription.withdraw_change",
            subject: ("subscription", id.to_string()),
            reason,
            before: json!({ "pending": kind.as_str() }),
            after: json!({ "pending": null }),
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/subscriptions/{id}"), "Изменение отозвано."))
}

fn not_applied(error: ApplyError) -> Fault {
    match error {
        ApplyError::Refused(error) => not_priced(error),
        ApplyError::Transition(_) => {
            Fault::conflict("Состояние подписки этого не позволяет. Обновите страницу.")
        }
        ApplyError::Store(error) => error.into(),
    }
}

/// Why a change has no price, in Russian.
fn not_priced(error: QuoteRefusal) -> Fault {
    let rule = match error {
        QuoteRefusal::PlanNotAvailable => return Fault::refused("Этот тариф сейчас не продаётся."),
        QuoteRefusal::Store(error) => return error.into(),
        QuoteRefusal::Rule(rule) => rule,
    };
    match rule {
        QuoteError::Seats { min, max } => Fault::refused(format!("Мест на этом тарифе: от {min} до {max}.")),
        QuoteError::Length(length) => {
            Fault::refused(format!("Этот тариф не продаётся на {}.", length.label_ru()))
        }
        QuoteError::NothingChanges => Fault::refused("Условия уже такие: менять нечего."),
        QuoteError::NotActive => Fault::conflict("Оплаченного периода нет: сначала оформите его."),
        QuoteError::AlreadyActive => Fault::conflict("Период уже оплачен: меняйте его условия."),
        QuoteError::PaymentOverdue => Fault::conflict("Сначала нужно оплатить счёт за следующий период."),
        QuoteError::Cancels => Fault::conflict("Подписка закончится с периодом: сначала отзовите отмену."),
        QuoteError::UnderReview => Fault::conflict("Подписка ждёт решения: сначала завершите разбор."),
        QuoteError::NextPeriodPaid => {
            Fault::conflict("Следующий период уже оплачен: изменить условия можно, когда он начнётся.")
        }
        QuoteError::Amount(_) => Fault::refused("Сумма больше той, что можно взять одним платежом."),
    }
}
