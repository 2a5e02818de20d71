//! Starting and stopping a campaign.

use flysk_domain::id::{PlanId, PriceCampaignId};
use flysk_services::subscriptions::{OperatorAct, preview_campaign, start_campaign, stop_campaign};
use flysk_store::platform::subscriptions;
use flysk_store::repeat_contended;
use poem::Response;
use serde_json::{Value, json};

use super::preview::{Wanted, to_fault};
use crate::http::{Billing, Fault, Record, Visit};

/// `POST /plans/:id/campaign`.
pub(crate) async fn start(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (from, reason): (PlanId, _) = (visit.request.id()?, visit.reason()?);
    let typed: Option<u64> = visit.request.form.parsed("typed", "Число клиентов")?;
    let run = || async {
        let mut act = visit.begin().await?;
        let wanted = Wanted::read(&mut act, from, &visit.request.form).await?;
        let clock = visit.deps.clock();
        let found = preview_campaign(&mut act, clock, wanted.campaign()).await.map_err(to_fault)?;
        if typed != Some(found.customers) {
            return Err(Fault::conflict(format!(
                "Введённое число клиентов не совпадает с найденным: {}. Ничего не начато.",
                found.customers
            )));
        }
        let by = OperatorAct { operator: &visit.who.login, reason };
        let campaign = start_campaign(act.unit(), clock, wanted.campaign(), by).await.map_err(to_fault)?;
        act.commit(Record {
            action: "campaign.start",
            subject: ("campaign", campaign.id.to_string()),
            reason,
            before: Value::Null,
            after: json!({
                "plan": wanted.from.code.as_str(),
                "from_version": wanted.from.version,
                "to_version": wanted.to.version,
                "effective_on": wanted.effective_on,
                "customers": found.customers,
            }),
        })
        .await?;
        Ok::<_, Fault>(campaign.id)
    };
    let id = repeat_contended(run).await?;
    Ok(visit.done(
        &format!("/campaigns/{id}"),
        "Кампания начата. Клиенты узнают о новой цене в течение пяти минут.",
    ))
}

/// `POST /campaigns/:id/stop`.
pub(crate) async fn stop(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (id, reason): (PriceCampaignId, _) = (visit.request.id()?, visit.reason()?);
    let run = || async {
        let mut act = visit.begin().await?;
        subscriptions::find_campaign(&mut act, id).await?.ok_or(Fault::NotFound)?;
        let by = OperatorAct { operator: &visit.who.login, reason };
        stop_campaign(act.unit(), visit.deps.clock(), id, by).await.map_err(to_fault)?;
        act.commit(Record {
            action: "campaign.stop",
            subject: ("campaign", id.to_string()),
            reason,
            before: json!({ "running": true }),
            after: json!({ "running": false }),
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/campaigns/{id}"), "Кампания остановлена."))
}
