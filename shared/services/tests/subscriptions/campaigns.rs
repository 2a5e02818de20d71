//! Price campaigns: who pays a new price, from when on, and who was told.

use chrono::NaiveDate;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{Change, NoticeKind};
use flysk_services::subscriptions::{
    CampaignError, NewCampaign, OperatorAct, announce_price, load_details, preview_campaign, start_campaign,
    stop_campaign,
};
use flysk_store::platform::subscriptions::{self, Plan, PriceCampaign};
use sqlx::MySqlPool;

use super::world::World;

const ACT: OperatorAct<'static> = OperatorAct { operator: "anna", reason: "Новые цены" };

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

impl World {
    async fn start(&self, from: &Plan, to: &Plan, on: &str) -> Result<PriceCampaign, CampaignError> {
        let mut unit = self.unit().await;
        let new = NewCampaign { from, to, effective_on: day(on) };
        let campaign = start_campaign(&mut unit, &self.clock, new, ACT).await?;
        unit.commit().await.unwrap();
        Ok(campaign)
    }

    /// Tells the customer, as the job does.
    async fn announce(&self, campaign: &PriceCampaign) -> bool {
        let id = self.row().await.id;
        let mut unit = self.unit().await;
        let told = announce_price(&mut unit, &self.clock, campaign, id).await.unwrap();
        unit.commit().await.unwrap();
        told
    }

    async fn total_of_next_period(&self) -> Kopecks {
        self.quote(Change::Renew).await.total
    }

    /// Pays the open renewal at the boundary.
    async fn renew_at(&self, boundary: &str) -> Kopecks {
        self.set(boundary);
        self.run_due().await;
        let renewal = self.open_invoice().await.unwrap();
        self.settle(renewal.id).await;
        renewal.total
    }

    async fn kinds_of_notices(&self) -> Vec<NoticeKind> {
        let row = self.row().await;
        let mut conn = self.outbox.pool().acquire().await.unwrap();
        let now = flysk_domain::Clock::now(&self.clock);
        let details = load_details(&mut conn, &self.widget, row, now).await.unwrap();
        details.notices.into_iter().map(|notice| notice.kind).collect()
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_customer_pays_the_new_price_from_the_first_period_after_the_day_and_the_notice(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let old = world.plan("pro", 30_000, 300_000).await;
    world.buy(&old, 2).await;
    let new = world.plan("pro", 40_000, 400_000).await;
    let campaign = world.start(&old, &new, "2027-01-05").await.unwrap();
    assert!(world.kinds_of_notices().await.is_empty(), "nobody was told yet");
    assert!(world.announce(&campaign).await);
    assert!(!world.announce(&campaign).await, "told once");
    assert_eq!(world.kinds_of_notices().await, [NoticeKind::PriceChanging]);
    assert_eq!(
        world.total_of_next_period().await,
        Kopecks(60_000),
        "the period of 1 January begins before the day"
    );

    assert_eq!(world.renew_at("2026-12-31T21:00:00Z").await, Kopecks(60_000));
    assert_eq!(world.total_of_next_period().await, Kopecks(80_000), "paid ahead or not");
    assert_eq!(world.renew_at("2027-01-31T21:00:00Z").await, Kopecks(80_000));
    let terms = world.row().await.subscription.terms.unwrap();
    assert_eq!((terms.plan, terms.seat_price, terms.seats), (new.id, Kopecks(40_000), 2));
    assert!(world.kinds_of_notices().await.is_empty(), "it is the price now");
    assert!(world.violations().await.is_empty());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn nobody_pays_a_new_price_without_thirty_days_of_notice(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let old = world.plan("pro", 30_000, 300_000).await;
    world.buy(&old, 1).await;
    let new = world.plan("pro", 40_000, 400_000).await;
    let campaign = world.start(&old, &new, "2027-01-01").await.unwrap();
    // The job did not run for a week: the boundary of 1 January is too near now.
    world.set("2026-12-08T09:00:00Z");
    assert!(world.announce(&campaign).await);
    assert_eq!(world.renew_at("2026-12-31T21:00:00Z").await, Kopecks(30_000));
    assert_eq!(world.renew_at("2027-01-31T21:00:00Z").await, Kopecks(40_000));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_stopped_campaign_moves_nobody_and_another_one_may_start(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let old = world.plan("pro", 30_000, 300_000).await;
    world.buy(&old, 1).await;
    let new = world.plan("pro", 40_000, 400_000).await;
    let campaign = world.start(&old, &new, "2027-01-01").await.unwrap();
    assert!(matches!(world.start(&old, &new, "2027-02-01").await, Err(CampaignError::AlreadyRunning)));
    assert!(world.announce(&campaign).await);
    let mut unit = world.unit().await;
    stop_campaign(&mut unit, &world.clock, campaign.id, ACT).await.unwrap();
    unit.commit().await.unwrap();
    let mut unit = world.unit().await;
    let again = stop_campaign(&mut unit, &world.clock, campaign.id, ACT).await;
    assert!(matches!(again, Err(CampaignError::NotRunning)));
    drop(unit);
    assert!(world.kinds_of_notices().await.is_empty());
    assert_eq!(world.renew_at("2026-12-31T21:00:00Z").await, Kopecks(30_000));
    let later = world.start(&old, &new, "2027-02-15").await.unwrap();
    assert!(!world.announce(&campaign).await, "of the stopped one nobody is told");
    assert!(world.announce(&later).await);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_version_without_a_price_for_the_length_leaves_the_customer_where_it_is(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let old = world.plan("pro", 30_000, 300_000).await;
    world.buy(&old, 1).await;
    let yearly = world.yearly_plan("pro", 400_000).await;
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    let new = NewCampaign { from: &old, to: &yearly, effective_on: day("2027-01-01") };
    let preview = preview_campaign(&mut conn, &world.clock, new).await.unwrap();
    assert_eq!((preview.customers, preview.staying), (0, 1));
    drop(conn);
    let campaign = world.start(&old, &yearly, "2027-01-01").await.unwrap();
    assert!(!world.announce(&campaign).await);
    assert_eq!(world.renew_at("2026-12-31T21:00:00Z").await, Kopecks(30_000));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_change_that_waits_goes_before_the_campaign_and_a_cancelled_customer_pays_nothing(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let old = world.plan("pro", 30_000, 300_000).await;
    let small = world.plan("start", 10_000, 100_000).await;
    world.buy(&old, 2).await;
    let new = world.plan("pro", 40_000, 400_000).await;
    let campaign = world.start(&old, &new, "2026-12-31").await.unwrap();
    assert!(world.announce(&campaign).await);
    assert!(world.apply(&world.quote(Change::Plan(small.id)).await).await.is_none(), "waits");
    assert_eq!(world.total_of_next_period().await, Kopecks(20_000));
    assert_eq!(world.renew_at("2026-12-31T21:00:00Z").await, Kopecks(20_000));
    assert_eq!(world.row().await.subscription.terms.unwrap().plan, small.id);
    assert!(world.kinds_of_notices().await.is_empty(), "the campaign was about another version");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_campaign_leads_to_a_later_version_and_names_whom_it_concerns(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let old = world.plan("pro", 30_000, 300_000).await;
    world.buy(&old, 3).await;
    let new = world.plan("pro", 40_000, 400_000).await;
    let other = world.plan("start", 10_000, 100_000).await;
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    let good = NewCampaign { from: &old, to: &new, effective_on: day("2026-12-31") };
    let preview = preview_campaign(&mut conn, &world.clock, good).await.unwrap();
    assert_eq!((preview.customers, preview.staying), (1, 0));
    assert_eq!((preview.monthly_before, preview.monthly_after), (Kopecks(90_000), Kopecks(120_000)));
    for wrong in [
        NewCampaign { from: &new, to: &old, ..good },
        NewCampaign { to: &old, ..good },
        NewCampaign { to: &other, ..good },
        NewCampaign { effective_on: day("2026-12-30"), ..good },
    ] {
        let refused = preview_campaign(&mut conn, &world.clock, wrong).await;
        assert!(matches!(refused, Err(CampaignError::Refused(_))), "{wrong:?}");
    }
    let found = subscriptions::list_campaigns(&mut conn, world.widget.id).await.unwrap();
    assert!(found.is_empty(), "a preview starts nothing");
}
