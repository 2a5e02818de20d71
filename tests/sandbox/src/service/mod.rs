//! The sandbox as a service: `flysk-sandbox`, for the CI of vendors.
//!
//! One process serves Flysk's API and, below `/_sandbox`, the control API and a page for people. [`Scene`](scene::Scene) is a
//! sandbox with everything around it; a reset replaces it. Events pass an [`event_proxy`], and everything that happens is read into
//! a [`journal`].

mod accounts;
mod advance;
mod amocrm_failures;
mod announcement;
mod api_failures;
mod bank_form;
mod bank_words;
mod cards;
mod console;
mod control;
mod database;
mod definition;
mod event_proxy;
mod failures;
mod front;
mod hooks;
mod input;
mod journal;
mod json_fault;
mod note;
mod occurrence;
mod options;
mod outside;
mod payments;
mod problem;
mod recorder;
mod records;
mod registration;
mod requests;
mod reset;
mod routes;
mod scene;
mod secrets;
mod span;
mod tail;
mod timeline;
mod users;
mod visitors;

use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use flysk_config::process::Shutdown;
use flysk_simulators::cut::{Connections, CuttableAcceptor};
use poem::Server;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use self::announcement::announce;
use self::control::Control;
use self::database::PrivateDatabase;
use self::front::Front;
pub use self::options::Options;
use self::requests::Requests;
use self::reset::open_scene;
use self::scene::{Current, Plan, run_work};
use self::visitors::Visitors;

/// Time to end requests in progress.
const REQUEST_GRACE: Duration = Duration::from_secs(1);
/// Time in which everything that runs has to end.
const STOP_GRACE: Duration = Duration::from_secs(30);
/// Time to stop, in which the database is deleted too. Deleting has limits of its own, so that it ends before.
const DELETE_GRACE: Duration = Duration::from_mins(15);

/// Runs a sandbox until SIGINT or SIGTERM.
///
/// # Errors
///
/// An option is not valid, a server is not reachable, or the port is taken.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let began = Instant::now();
    options.check_servers()?;
    let shutdown = Shutdown::install(DELETE_GRACE)?;
    let (widget, event_url, starts_at) = (options.widget()?, options.event_url()?, options.starts_at()?);
    let listener = TcpListener::bind(options.listen()).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", options.listen()))?;
    let api_url = format!("http://127.0.0.1:{}", listener.local_addr()?.port());
    let public_url = options.public_url(&api_url)?;
    let database =
        PrivateDatabase::open(&options.database_url, options.database.clone(), options.keep).await?;
    let plan = Plan {
        pool: database.pool.clone(),
        redis_url: options.redis_url.clone(),
        starts_at,
        clock: options.clock,
        api_url,
        public_url,
        widget,
        event_url,
        keeps_signature: options.sandbox_signatures,
    };
    let served = tokio::select! {
        served = serve(&options, plan, &database, listener, &shutdown, began) => served,
        () = overdue(&shutdown) => Err(anyhow!("not everything ended within {} s", STOP_GRACE.as_secs())),
    };
    let closed = database.close().await;
    match (served, closed) {
        // Both are told: the second one names the database that stays.
        (Err(failed), Err(kept)) => Err(failed.context(format!("{kept:#}"))),
        (served, closed) => served.and(closed),
    }
}

/// Resolves when the time to end has passed after a signal.
async fn overdue(shutdown: &Shutdown) {
    shutdown.requested().await;
    tokio::time::sleep(STOP_GRACE).await;
}

async fn serve(
    options: &Options,
    plan: Plan,
    database: &PrivateDatabase,
    listener: TcpListener,
    shutdown: &Shutdown,
    began: Instant,
) -> anyhow::Result<()> {
    let current = Current::default();
    let connections = Connections::default();
    let routes = routes::routes(Control::new(current.clone())?);
    let visitors = Visitors::new(&plan.public_url, &options.allow_host);
    let requests = Requests::default();
    let front = Front::new(current.clone(), routes, visitors, requests.clone(), connections.clone());
    let acceptor = CuttableAcceptor::new(listener, connections)?;
    let stop = shutdown.token().cancelled_owned();
    let server = Server::new_with_acceptor(acceptor);
    let server = server.run_with_graceful_shutdown(front, stop, Some(REQUEST_GRACE));
    let server = AbortOnDropHandle::new(tokio::spawn(server));
    let clock = plan.clock;
    {
        let _opening = current.begin()?;
        current.know_plan(plan.clone());
        open_scene(&current, plan).await?;
    }
    let worker = AbortOnDropHandle::new(tokio::spawn(run_work(current.clone(), clock)));
    announce(&*current.scene()?, database, options.no_json, began.elapsed()).await?;
    shutdown.requested().await;
    drop(worker);
    let outcome = server.await;
    // Whatever they do has ended before the rows and keys are deleted.
    requests.stop().await;
    outcome.context("the server panicked")?.context("the server failed")?;
    if let Some(scene) = current.replace(None) {
        scene.sandbox.wipe_redis().await?;
    }
    Ok(())
}

/// Prints a line; the reader may have gone.
fn print(mut to: impl std::io::Write, text: &str) -> anyhow::Result<()> {
    writeln!(to, "{text}").and_then(|()| to.flush()).context("cannot print the addresses")
}
