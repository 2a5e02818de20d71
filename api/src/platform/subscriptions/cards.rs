//! `/v1/subscription/card`: the card that is charged for renewals.

use flysk_domain::trace::Trace;
use flysk_services::invoice_payments::find_chargeable_card;
use flysk_services::subscriptions::{settings_of, unlink_card};
use flysk_store::platform::invoice_payments as attempts;
use flysk_store::platform::subscriptions;
use flysk_store::repeat_contended;
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::work::{actor, lock_to_end, must_have_subscription};
use crate::auth::{WidgetCaller, WidgetUser};
use crate::deps::Deps;
use crate::platform::tag::Tag;
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::NoBody;
use crate::time::Time;

/// The card that is charged for renewals.
#[derive(Debug, Object)]
#[oai(rename = "SavedCard", example)]
pub(crate) struct CardView {
    /// Masked number; null if the bank did not tell it.
    masked_number: Option<String>,
    /// When it was saved.
    saved_at: Time,
}

impl Example for CardView {
    fn example() -> Self {
        Self { masked_number: Some("430000******0777".to_owned()), saved_at: Time::example() }
    }
}

/// The card that is charged for renewals, if there is one.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct RenewalCard {
    /// The card; null if renewal is off.
    card: Option<CardView>,
}

impl Example for RenewalCard {
    fn example() -> Self {
        Self { card: Some(CardView::example()) }
    }
}

answers! {
    /// Responses of `getRenewalCard` and `unlinkRenewalCard`.
    Carded {
        /// The card that is charged for renewals, if there is one.
        200 => Ok(Json<RenewalCard>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or the widget is not installed in the account.
        403 => Forbidden [AdminOnly, NotInstalled],
        /// No card is saved.
        404 => NotFound,
        /// The widget sells no subscriptions, or the subscription changed meanwhile.
        409 => Conflict [SubscriptionsNotUsed, VersionConflict, WrongState],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operations on the card.
pub(crate) struct RenewalCardApi;

#[OpenApi(tag = "Tag::Subscriptions")]
impl RenewalCardApi {
    /// Get the card that is charged for renewals. Only for administrators of the account.
    #[oai(path = "/v1/subscription/card", method = "get", operation_id = "getRenewalCard")]
    async fn card(&self, deps: Data<&Deps>, caller: WidgetCaller) -> Carded {
        match find_card(&deps, &caller.0).await {
            Ok(card) => {
                let card =
                    card.map(|card| CardView { masked_number: card.pan, saved_at: card.linked_at.into() });
                Carded::Ok(Json(RenewalCard { card }))
            }
            Err(problem) => problem.into(),
        }
    }

    /// Unlink the card: it is never charged again, and every planned charge stops at once. Only for administrators of the account.
    ///
    /// The subscription is not cancelled: its next period can be paid by hand.
    #[oai(path = "/v1/subscription/card", method = "delete", operation_id = "unlinkRenewalCard")]
    async fn unlink(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        _body: NoBody,
    ) -> Carded {
        match unlink_found_card(&deps, &trace, &caller.0).await {
            Ok(()) => Carded::Ok(Json(RenewalCard { card: None })),
            Err(problem) => problem.into(),
        }
    }
}

/// The card that is charged for renewals of the administrator's account, if there is one.
pub(crate) async fn find_card(deps: &Deps, user: &WidgetUser) -> Result<Option<attempts::Card>, Problem> {
    user.must_be_admin()?;
    must_have_subscription(deps, user).await?;
    let mut conn = deps.conn().await?;
    let row = subscriptions::find_subscription_of_install(&mut conn, user.install.id).await?;
    match row.and_then(|row| row.card_id) {
        Some(id) => Ok(attempts::find_card(&mut conn, id).await?),
        None => Ok(None),
    }
}

/// [`find_card`], if the seller can charge it; not if it was saved at another terminal.
pub(crate) async fn find_card_to_charge(
    deps: &Deps,
    user: &WidgetUser,
) -> Result<Option<attempts::Card>, Problem> {
    user.must_be_admin()?;
    must_have_subscription(deps, user).await?;
    let mut conn = deps.conn().await?;
    match subscriptions::find_subscription_of_install(&mut conn, user.install.id).await? {
        Some(row) => Ok(find_chargeable_card(&mut conn, &row).await?),
        None => Ok(None),
    }
}

/// Unlinks the card of the administrator's account.
pub(crate) async fn unlink_found_card(deps: &Deps, trace: &Trace, user: &WidgetUser) -> Result<(), Problem> {
    user.must_be_admin()?;
    let unlink = || async {
        let (mut unit, row) = lock_to_end(deps, trace, user).await?;
        let (clock, settings) = (deps.clock(), settings_of(&user.widget));
        let unlinked = unlink_card(&mut unit, clock, &settings, &row, actor(user)).await?;
        unlinked.ok_or_else(|| Problem::new(ProblemCode::NotFound, "no card is saved"))?;
        unit.commit().await?;
        Ok::<_, Problem>(())
    };
    let unlinked = repeat_contended(unlink).await;
    deps.cache.invalidate_install(user.install.id);
    unlinked
}
