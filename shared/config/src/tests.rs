//! The catalogue, `.env.example`, `docs/deploy.md` and the variables that are read agree.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use secrecy::ExposeSecret;

use super::*;

/// The committed `.env.example`.
const ENV_EXAMPLE: &str = include_str!("../../../.env.example");
/// The deployment guide.
const DEPLOY: &str = include_str!("../../../docs/deploy.md");
/// The image and the deployment on one machine.
const DOCKERFILE: &str = include_str!("../../../Dockerfile");
const COMPOSE: &str = include_str!("../../../compose.yaml");

fn variables() -> impl Iterator<Item = &'static Variable> {
    SECTIONS.iter().flat_map(|section| section.variables)
}

/// `NAME=value` lines of the file, with those that are commented out if `all`.
fn example(all: bool) -> Env {
    let assignment = |line: &'static str| {
        let line = if all { line.strip_prefix("# ").unwrap_or(line) } else { line };
        line.split_once('=').filter(|(name, _)| variables().any(|variable| variable.name == *name))
    };
    ENV_EXAMPLE.lines().filter_map(assignment).collect()
}

/// Reads every concern; the error lists all problems.
fn read_everything(env: &Env) -> Result<(), ConfigError> {
    env.read(|vars| {
        let parts = [
            vars.section(Admin::from_env).map(drop),
            vars.section(Amocrm::from_env).map(drop),
            vars.section(Audio::from_env).map(drop),
            vars.section(Bot::telegram_from_env).map(drop),
            vars.section(Bot::max_from_env).map(drop),
            vars.section(Database::from_env).map(drop),
            vars.section(Flysense::from_env).map(drop),
            vars.section(Http::from_env).map(drop),
            vars.section(Keys::from_env).map(drop),
            vars.section(Outbound::from_env).map(drop),
            vars.section(Portal::from_env).map(drop),
            vars.section(Redis::from_env).map(drop),
            vars.section(Smtp::from_env).map(drop),
            vars.section(SpeechKit::from_env).map(drop),
            vars.section(Storage::optional_from_env).map(drop),
            vars.section(TBank::from_env).map(drop),
            vars.section(TApi::from_env).map(drop),
            vars.section(Telemetry::from_env).map(drop),
            vars.section(Worker::from_env).map(drop),
            vars.section(YandexGpt::from_env).map(drop),
        ];
        parts.into_iter().collect()
    })
}

#[test]
fn env_example_is_the_catalogues() {
    assert!(
        ENV_EXAMPLE == env_example(SECTIONS),
        ".env.example is out of date: cargo xtask generate writes it"
    );
}

#[test]
fn what_is_read_is_what_is_listed() {
    let env = example(true);
    read_everything(&env).unwrap();
    let listed: BTreeSet<String> = variables().map(|variable| variable.name.to_owned()).collect();
    assert_eq!(env.reads(), listed);
    assert_eq!(listed.len(), variables().count(), "a variable is listed twice");
}

#[test]
fn env_example_works_as_it_is() {
    read_everything(&example(false)).unwrap();
}

#[test]
fn an_empty_environment_is_told_every_required_variable_at_once() {
    let error = read_everything(&Env::default()).unwrap_err();
    let told: BTreeSet<&str> = error.problems().iter().map(|problem| problem.variable).collect();
    let required: BTreeSet<&str> = variables()
        .filter(|variable| matches!(variable.presence, Presence::Required(_)))
        .map(|variable| variable.name)
        .collect();
    assert_eq!(told, required);
}

#[test]
fn a_bad_value_is_shown_unless_it_is_a_secret() {
    let env = example(false)
        .with("FLYSK_LISTEN", "localhost")
        .with("FLYSK_GRACE_SECONDS", "soon")
        .with("DATABASE_URL", "postgres://root:hunter2@127.0.0.1/flysk")
        .with("REDIS_URL", "redis+sentinel://:hunter2@10.0.0.1,10.0.0.2:port/flysk")
        .with("FLYSK_KEYRING", "k1:hunter2");
    let text = read_everything(&env).unwrap_err().to_string();
    assert!(
        text.contains("FLYSK_LISTEN: want `address:port`, such as 0.0.0.0:8080, got `localhost`"),
        "{text}"
    );
    assert!(text.contains("FLYSK_GRACE_SECONDS: want a whole number from 1 to 3600, got `soon`"), "{text}");
    assert!(text.contains("DATABASE_URL: want an address that begins with mysql:// or mariadb://"), "{text}");
    assert!(
        text.contains("REDIS_URL: want a port from 1 to 65535 after the host of sentinel 2 of 2"),
        "{text}"
    );
    assert!(text.contains("FLYSK_KEYRING"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_database_may_have_several_nodes() {
    let several = "mysql://flysk:hunter2@one:3306,two:3307/flysk";
    let database = Database::from_env(&example(false).with("DATABASE_URL", several)).unwrap();
    assert_eq!(database.url.expose_secret(), several);
    for bad in ["mysql://flysk@one:3306,two:many/flysk", "mysql://flysk@one,,two/flysk"] {
        let error = Database::from_env(&example(false).with("DATABASE_URL", bad)).unwrap_err();
        assert!(error.to_string().contains("DATABASE_URL: want an address"), "{bad}: {error}");
    }
}

#[test]
fn no_configuration_shows_a_secret() {
    let env = example(true)
        .with("DATABASE_URL", "mysql://root:hunter2@127.0.0.1/flysk")
        .with("REDIS_URL", "redis://:hunter2@127.0.0.1/0")
        .with("FLYSK_REDIS_SENTINEL_PASSWORD", "hunter2")
        .with("FLYSENSE_PROJECT_TOKEN", "hunter2")
        .with("FLYSK_STORAGE_SECRET_ACCESS_KEY", "hunter2")
        .with("FLYSK_YANDEXGPT_API_KEY", "hunter2")
        .with("FLYSK_TBANK_PASSWORD", "hunter2")
        .with("FLYSK_SMTP_URL", "smtp://flysk:hunter2@mail.example.com")
        .with("FLYSK_TELEGRAM_TOKEN", "hunter2")
        .with("FLYSK_MAX_WEBHOOK_SECRET", "hunter2")
        .with("FLYSK_SPEECHKIT_API_KEY", "hunter2");
    let database = Database::from_env(&env).unwrap();
    assert_eq!(database.url.expose_secret(), "mysql://root:hunter2@127.0.0.1/flysk");
    let mut shown = format!("{env:?} {database:?}");
    write!(shown, "{:?}{:?}", Redis::from_env(&env), Flysense::from_env(&env)).unwrap();
    write!(shown, "{:?}{:?}", Storage::from_env(&env), YandexGpt::from_env(&env)).unwrap();
    write!(shown, "{:?}{:?}", SpeechKit::from_env(&env), Keys::from_env(&env)).unwrap();
    write!(shown, "{:?}{:?}", TBank::from_env(&env), Smtp::from_env(&env)).unwrap();
    write!(shown, "{:?}{:?}", Bot::telegram_from_env(&env), Bot::max_from_env(&env)).unwrap();
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(!shown.contains("MDEy"), "{shown}");
}

/// Uses the concerns' own `from_env`, so that no way of reading a secret bypasses the check.
#[test]
fn a_deployment_with_a_secret_of_the_example_does_not_start() {
    let secrets: BTreeSet<&str> = variables()
        // The addresses of MySQL and Redis have no password in the example.
        .filter(|variable| variable.is_secret() && !matches!(variable.name, "DATABASE_URL" | "REDIS_URL"))
        .map(|variable| variable.name)
        .collect();
    assert!(secrets.contains("FLYSK_KEYRING") && secrets.contains("FLYSK_TBANK_PASSWORD"), "{secrets:?}");
    let env = example(true).with("FLYSK_PUBLIC_URL", "https://flysk.example");
    let error = read_everything(&env).unwrap_err();
    let told: BTreeSet<&str> = error.problems().iter().map(|problem| problem.variable).collect();
    assert_eq!(told, secrets, "{error}");
    assert!(error.to_string().contains("openssl rand -base64 32"), "{error}");
    for here in ["http://localhost:8080", "http://127.0.0.1"] {
        read_everything(&env.clone().with("FLYSK_PUBLIC_URL", here)).unwrap();
    }
}

#[test]
fn a_blank_value_is_unset() {
    let env = example(false).with("FLYSK_METRICS_LISTEN", "  ").with("FLYSK_LOG_FORMAT", "");
    let telemetry = Telemetry::from_env(&env).unwrap();
    assert_eq!((telemetry.metrics_listen, telemetry.format), (None, LogFormat::Json));
}

/// Metrics have no authentication: whoever wants them on a network says so.
#[test]
fn metrics_are_served_on_loopback_or_nowhere_unless_a_deployment_says_otherwise() {
    let listen = |env: &Env| Telemetry::from_env(env).unwrap().metrics_listen;
    assert_eq!(listen(&example(false)), None, "without the variable");
    let value = |text: &'static str, before: &str, after: &str| {
        let (_, rest) = text.split_once(before).unwrap();
        rest.split_once(after).unwrap().0
    };
    let image = value(DOCKERFILE, "FLYSK_METRICS_LISTEN=", " ");
    let compose = value(COMPOSE, "FLYSK_METRICS_LISTEN: ${FLYSK_METRICS_LISTEN:-", "}");
    for default in [image, compose] {
        let listen = listen(&example(true).with("FLYSK_METRICS_LISTEN", default)).unwrap();
        assert!(listen.ip().is_loopback(), "{default}");
    }
    assert!(listen(&example(true)).unwrap().ip().is_loopback(), ".env.example");
    assert!(DEPLOY.contains("FLYSK_METRICS_LISTEN=0.0.0.0:9090"), "the way to scrape a container");
}

#[test]
fn optional_customers_are_whole_or_absent() {
    let env = example(false);
    assert!(YandexGpt::from_env(&env).unwrap().is_none());
    assert!(Flysense::from_env(&env).unwrap().is_none());
    assert!(TBank::from_env(&env).unwrap().is_none());

    let half = env.with("FLYSK_YANDEXGPT_API_KEY", "key").with("FLYSENSE_PROJECT_TOKEN", "token");
    assert_eq!(YandexGpt::from_env(&half).unwrap_err().problems()[0].variable, "FLYSK_YANDEXGPT_MODEL_URI");
    assert_eq!(Flysense::from_env(&half).unwrap_err().problems()[0].variable, "FLYSENSE_CLIENT_ID");
    let half = half.with("FLYSK_TBANK_TERMINAL_KEY", "TinkoffBankTest");
    assert_eq!(TBank::from_env(&half).unwrap_err().problems()[0].variable, "FLYSK_TBANK_PASSWORD");
}

#[test]
fn values_are_cleaned_up_on_the_way_in() {
    let env = example(false)
        .with("FLYSK_PUBLIC_URL", "http://localhost:8080/base")
        .with("FLYSK_SPEECHKIT_CLASSIFIERS", "negative, insult,")
        .with("FLYSK_OUTBOUND_ALLOW", "none");
    assert_eq!(Http::from_env(&env).unwrap().public_url.join("oauth/x").unwrap().path(), "/base/oauth/x");
    assert_eq!(SpeechKit::from_env(&env).unwrap().classifiers, ["negative", "insult"]);
    assert!(Outbound::from_env(&env).unwrap().allow.is_empty());
    assert_eq!(Audio::from_env(&env).unwrap().ffmpeg.unwrap().to_str(), Some("ffmpeg"));

    let env = env.with("FLYSK_SPEECHKIT_CLASSIFIERS", "none").with("FLYSK_FFMPEG", "none");
    assert_eq!(SpeechKit::from_env(&env).unwrap().classifiers, [""; 0]);
    assert_eq!(Audio::from_env(&env).unwrap().ffmpeg, None);
}

/// Names in the first column of a table of `docs/deploy.md`.
fn names_in_deploy() -> BTreeSet<&'static str> {
    DEPLOY
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn the_guide_to_deploying_names_every_variable_that_has_to_be_set() {
    let named = names_in_deploy();
    let required = variables().filter(|variable| matches!(variable.presence, Presence::Required(_)));
    let unnamed: Vec<&str> =
        required.map(|variable| variable.name).filter(|name| !named.contains(name)).collect();
    assert!(unnamed.is_empty(), "docs/deploy.md does not name {}", unnamed.join(", "));
}

#[test]
fn the_guide_to_deploying_names_no_variable_that_nobody_reads() {
    let ours = |name: &&str| name.starts_with("FLYSK_") || name.starts_with("FLYSENSE_");
    let known: BTreeSet<&str> = variables().map(|variable| variable.name).collect();
    let words = DEPLOY.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
    // Read by Compose, not by a process.
    let compose = ["FLYSK_PORT"];
    let unknown: BTreeSet<&str> =
        words.filter(ours).filter(|name| !known.contains(name) && !compose.contains(name)).collect();
    assert!(unknown.is_empty(), "nobody reads {unknown:?}");
}
