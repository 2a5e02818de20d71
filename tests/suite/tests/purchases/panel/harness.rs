//! The panel on a real socket beside the product, and operators who sign in with password and second factor.

use flysk_admin::{Config, Deps, routes};
use flysk_config::Env;
use flysk_domain::Clock as _;
use flysk_simulators::s3;
use flysk_simulators::{Control, Running, SimClock};
use flysk_store::Pool;
use flysk_store::admin::audit::{self, AuditFilter, AuditRow};
use flysk_store::admin::listing::Keyset;
use flysk_suite::environment::Options;
use reqwest::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Response, StatusCode};
use sqlx::mysql::MySqlPoolOptions;
use totp_rs::{Builder, Secret};

use crate::harness::TestApp;
use crate::operator::{CommandOutput, LOG_OF_COMMANDS};
use crate::test_env::{UNSET_VARIABLES, environment};

/// Connections for reads of a panel that no test counts.
const READ_CONNECTIONS: u32 = 4;

/// The panel of a running product.
pub(crate) struct Panel {
    pub(crate) app: TestApp,
    pub(crate) url: String,
}

/// An operator's password and secret of the second factor.
pub(crate) struct Credentials {
    pub(crate) login: String,
    pub(crate) password: String,
    pub(crate) secret: String,
    pub(crate) recovery_codes: Vec<String>,
}

/// A signed-in operator.
pub(crate) struct Signed<'a> {
    pub(crate) panel: &'a Panel,
    pub(crate) cookie: String,
    pub(crate) credentials: Credentials,
}

impl Panel {
    /// A product with one install, and its panel.
    pub(crate) async fn open(pool: sqlx::MySqlPool) -> Self {
        let app = TestApp::open(pool).await;
        let url = Box::pin(serve(&app, &[])).await;
        Self { app, url }
    }

    /// A product with one install, and its panel on a host name, which passkeys need.
    pub(crate) async fn open_by_name(pool: sqlx::MySqlPool) -> Self {
        let app = TestApp::open(pool).await;
        let url = serve_as(&app, "localhost", &[]).await;
        Self { app, url }
    }

    /// A product with object storage, and its panel.
    pub(crate) async fn open_with_storage(pool: sqlx::MySqlPool) -> (Self, Running<s3::Bucket>) {
        let key =
            s3::Key { id: "panel".to_owned(), secret: "panel-secret".to_owned(), role: s3::Role::Editor };
        let options = s3::Options { bind: None, bucket: "flysk-panel".to_owned(), keys: vec![key] };
        let storage = s3::start(options, Control::with_clock(SimClock::default())).await.unwrap();
        let variables = storage_variables(&storage.url);
        let with = |env: Env| variables.iter().fold(env, |env, (name, value)| env.with(name, value));
        let mut app = TestApp::open_with(pool, with).await;
        app.variables.extend(variables.map(|(name, value)| (name, value.to_owned())));
        let url = Box::pin(serve(&app, &[])).await;
        (Self { app, url }, storage)
    }

    /// A `flysk-admin` command on the test's database, to be started.
    pub(crate) async fn prepare(&self, args: &[&str]) -> std::process::Command {
        let options = Options::with_fixtures(0.0).unwrap();
        let mut database: url::Url = options.database_url.parse().unwrap();
        let name: String = sqlx::query_scalar("SELECT DATABASE()").fetch_one(&self.app.pool).await.unwrap();
        database.set_path(&name);
        let mut command = std::process::Command::new(options.binaries.join("flysk-admin"));
        command.args(args).envs(&self.app.variables);
        command.envs([LOG_OF_COMMANDS, ("DATABASE_URL", database.as_str())]);
        for name in UNSET_VARIABLES {
            command.env_remove(name);
        }
        command
    }

    /// Runs a `flysk-admin` command on the test's database.
    pub(crate) async fn command(&self, args: &[&str]) -> CommandOutput {
        let output = self.prepare(args).await.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        CommandOutput {
            code: output.status.code().expect("it ended by itself"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// Creates an operator by the command; returns the printed password.
    pub(crate) async fn create(&self, login: &str, role: &str) -> String {
        self.create_with(login, role, &[]).await
    }

    /// [`Self::create`] with rights besides the role.
    pub(crate) async fn create_with(&self, login: &str, role: &str, rights: &[&str]) -> String {
        let mut args = vec!["operator:create", login, "--name", "Анна Петрова", "--role", role];
        args.extend(rights.iter().flat_map(|right| ["--right", right]));
        let printed = self.command(&args).await.told();
        printed.lines().last().unwrap().trim().to_owned()
    }

    /// Creates an operator and signs in for the first time, with the set-up of the second factor.
    pub(crate) async fn sign_in(&self, login: &str, role: &str) -> Signed<'_> {
        self.sign_in_with(login, role, &[]).await
    }

    /// [`Self::sign_in`] of an operator with rights besides the role.
    pub(crate) async fn sign_in_with(&self, login: &str, role: &str, rights: &[&str]) -> Signed<'_> {
        let password = self.create_with(login, role, rights).await;
        let cookie = self.give_password(login, &password).await;
        let form = self.get_as(&cookie, "/sign-in/code").await.text().await.unwrap();
        let secret = form.split("id=\"secret\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
        let csrf = value_of(&form, "csrf");
        let code = self.code(&secret);
        let fields = [("csrf", csrf.as_str()), ("code", &code), ("next", "/")];
        let answer = self.post_as(Some(&cookie), "/sign-in/code", &fields).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let cookie = cookie_of(&answer);
        let page = answer.text().await.unwrap();
        let codes = page.split("id=\"codes\"").nth(1).unwrap().split("</ul>").next().unwrap();
        let recovery_codes: Vec<String> =
            codes.split("<code>").skip(1).map(|code| code.split('<').next().unwrap().to_owned()).collect();
        assert_eq!(recovery_codes.len(), 10);
        self.next_step();
        let login = login.to_owned();
        Signed { panel: self, cookie, credentials: Credentials { login, password, secret, recovery_codes } }
    }

    /// Gives the password; returns the cookie of the session that waits for the second factor.
    pub(crate) async fn give_password(&self, login: &str, password: &str) -> String {
        let answer = self.post_as(None, "/sign-in", &[("login", login), ("password", password)]).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{}", answer.text().await.unwrap());
        cookie_of(&answer)
    }

    pub(crate) fn code(&self, secret: &str) -> String {
        let secret = Secret::try_from_base32(secret).unwrap();
        let time = u64::try_from(self.app.clock.now().timestamp()).unwrap();
        Builder::new().with_secret(secret).build().unwrap().generate(time).to_string()
    }

    /// Moves to the next time step, because each code is accepted once.
    pub(crate) fn next_step(&self) {
        self.app.clock.advance(chrono::Duration::seconds(31));
    }

    pub(crate) async fn get_as(&self, cookie: &str, path: &str) -> Response {
        self.app.http.get(format!("{}{path}", self.url)).header(COOKIE, cookie).send().await.unwrap()
    }

    /// Sends a form as a browser does on a page of the panel.
    pub(crate) async fn post_as(
        &self,
        cookie: Option<&str>,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Response {
        let request =
            self.app.http.post(format!("{}{path}", self.url)).header(ORIGIN, &self.url).form(fields);
        let request = match cookie {
            Some(cookie) => request.header(COOKIE, cookie),
            None => request,
        };
        request.send().await.unwrap()
    }

    /// The audit log, newest first.
    pub(crate) async fn audit(&self) -> Vec<AuditRow> {
        let mut conn = self.app.conn().await;
        let ids = audit::ids(&mut conn, &AuditFilter::default(), &Keyset::newest(1_000)).await.unwrap();
        audit::rows(&mut conn, &ids).await.unwrap()
    }

    /// The only row of the audit log for an act.
    pub(crate) async fn record_of(&self, action: &str) -> AuditRow {
        let mut found: Vec<AuditRow> =
            self.audit().await.into_iter().filter(|row| row.action == action).collect();
        assert_eq!(found.len(), 1, "rows of {action}");
        found.remove(0)
    }
}

impl Signed<'_> {
    /// A page, which must be there.
    pub(crate) async fn page(&self, path: &str) -> String {
        let answer = self.panel.get_as(&self.cookie, path).await;
        let status = answer.status();
        let page = answer.text().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{path}: {page}");
        page
    }

    /// The CSRF token of the session.
    pub(crate) async fn csrf(&self) -> String {
        value_of(&self.page("/me").await, "csrf")
    }

    /// Sends a form with the session's token.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let csrf = self.csrf().await;
        let fields: Vec<(&str, &str)> =
            [("csrf", csrf.as_str())].into_iter().chain(fields.iter().copied()).collect();
        self.panel.post_as(Some(&self.cookie), path, &fields).await
    }

    /// Performs an act; returns the page that it leads to.
    pub(crate) async fn act(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.post(path, fields).await;
        let status = answer.status();
        let location = answer.headers().get(LOCATION).map(|path| path.to_str().unwrap().to_owned());
        let page = answer.text().await.unwrap();
        assert_eq!(status, StatusCode::SEE_OTHER, "{path}: {page}");
        location.unwrap()
    }

    /// Performs an act that is refused with this status; returns the page.
    pub(crate) async fn refused(&self, path: &str, fields: &[(&str, &str)], status: u16) -> String {
        let answer = self.post(path, fields).await;
        assert_eq!(answer.status().as_u16(), status, "{path}");
        answer.text().await.unwrap()
    }
}

/// Variables of object storage.
fn storage_variables(endpoint: &str) -> [(&'static str, &str); 4] {
    [
        ("FLYSK_STORAGE_ENDPOINT", endpoint),
        ("FLYSK_STORAGE_BUCKET", "flysk-panel"),
        ("FLYSK_STORAGE_ACCESS_KEY_ID", "panel"),
        ("FLYSK_STORAGE_SECRET_ACCESS_KEY", "panel-secret"),
    ]
}

/// Starts a panel with additional variables; returns its address.
pub(crate) async fn serve(app: &TestApp, more: &[(&str, &str)]) -> String {
    serve_as(app, "127.0.0.1", more).await
}

/// [`serve`] under a name of this machine.
async fn serve_as(app: &TestApp, host: &str, more: &[(&str, &str)]) -> String {
    let reads = connect_for_reading(app, READ_CONNECTIONS).await;
    serve_on(app, host, more, reads).await
}

/// Connections for the reads of a panel.
pub(crate) async fn connect_for_reading(app: &TestApp, connections: u32) -> Pool {
    let reads = MySqlPoolOptions::new().max_connections(connections);
    let reads = flysk_store::configure_pool_for_reading(reads);
    reads.connect_with((*app.pool.connect_options()).clone()).await.unwrap()
}

/// Starts a panel that reads by these connections; returns its address.
pub(crate) async fn serve_on(app: &TestApp, host: &str, more: &[(&str, &str)], reads: Pool) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{host}:{}", listener.local_addr().unwrap().port());
    let env = more.iter().fold(environment(&app.variables), |env, (name, value)| env.with(name, value));
    let config = Config::from_env(&env.with("FLYSK_ADMIN_URL", &url)).unwrap();
    let deps = Deps::new(config, app.executor.outbox().clone(), reads);
    let acceptor = poem::listener::TcpAcceptor::from_tokio(listener).unwrap();
    tokio::spawn(poem::Server::new_with_acceptor(acceptor).run(routes::app(deps)));
    url
}

/// The session's cookie in a response.
pub(crate) fn cookie_of(answer: &Response) -> String {
    let set = answer.headers().get_all(SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap());
    let session =
        set.into_iter().find(|cookie| cookie.starts_with("flysk_admin=")).expect("a session cookie");
    assert!(session.contains("HttpOnly") && session.contains("SameSite=Strict"), "{session}");
    session.split(';').next().unwrap().to_owned()
}

/// Value of a form's field.
pub(crate) fn value_of(page: &str, name: &str) -> String {
    let from = page
        .split(&format!("name=\"{name}\" value=\""))
        .nth(1)
        .unwrap_or_else(|| panic!("no {name} in {page}"));
    from.split('"').next().unwrap().to_owned()
}
